package sim

import (
	"net/http"
	"slices"
	"strings"
)

// signedInV1 are the parameters that a V1 signature covers in addition to Expires.
var signedInV1 = []string{
	"response-cache-control", "response-content-disposition", "response-content-encoding", "response-content-language",
	"response-content-type", "response-expires", "security-token", "versionId", "x-oss-process", "x-oss-traffic-limit",
}

// v1StringToSign returns
//
//	VERB\nContent-MD5\nContent-Type\nExpires\n<x-oss-* headers>/bucket/key?<signed parameters>
func (b bucket) v1StringToSign(r signedRequest) string {
	var signed []string
	for _, k := range signedInV1 {
		if r.query.Has(k) {
			signed = append(signed, withValue(k, r.query.Get(k)))
		}
	}
	resource := "/" + b.name + r.path
	if len(signed) > 0 {
		resource += "?" + strings.Join(signed, "&")
	}
	return strings.Join([]string{
		r.method, r.header.Get("Content-MD5"), r.header.Get("Content-Type"), r.query.Get("Expires"),
		headerLines(r.header, "x-oss-") + resource,
	}, "\n")
}

// v2StringToSign returns that of V1 with the names of additional signed headers
// (none) before the resource, which is encoded and has all parameters.
func (b bucket) v2StringToSign(r signedRequest) string {
	var all []string
	for _, k := range sortedKeys(r.query) {
		all = append(all, withValue(encode(k), encode(r.query.Get(k))))
	}
	return strings.Join([]string{
		r.method, r.header.Get("Content-MD5"), r.header.Get("Content-Type"), r.query.Get("x-oss-expires"),
		headerLines(r.header, "x-oss-"),
	}, "\n") + "\n" + encode("/"+b.name+r.path) + "?" + strings.Join(all, "&")
}

// v4Canonical returns the canonical request of both V4 forms:
//
//	VERB\nURI\nquery\n<headers>\n<names of additional headers>\nUNSIGNED-PAYLOAD
//
// OSS has the bucket in the path and signs all x-oss-* headers; S3 signs those in
// X-Amz-SignedHeaders, which is the host.
func (b bucket) v4Canonical(form LinkForm, r signedRequest) string {
	path := strings.ReplaceAll(encode(r.path), "%2F", "/")
	var all []string
	for _, k := range sortedKeys(r.query) {
		pair := encode(k) + "=" + encode(r.query.Get(k))
		if form == V4 {
			pair = withValue(encode(k), encode(r.query.Get(k)))
		}
		all = append(all, pair)
	}
	headers, names := "host:"+r.host+"\n", "host"
	if form == V4 {
		path = "/" + b.name + path
		headers, names = headerLines(r.header, "x-oss-", "content-type", "content-md5"), ""
	}
	return strings.Join([]string{r.method, path, strings.Join(all, "&"), headers, names, "UNSIGNED-PAYLOAD"}, "\n")
}

// scope returns the scope of V4 signatures of that day.
func (b bucket) scope(form LinkForm, day string) string {
	if form == S3 {
		return day + "/" + b.region + "/s3/aws4_request"
	}
	return day + "/" + b.region + "/oss/aliyun_v4_request"
}

// dayKey derives the signing key of that day.
func (b bucket) dayKey(form LinkForm, day string) []byte {
	prefix := "aliyun_v4"
	if form == S3 {
		prefix = "AWS4"
	}
	key := []byte(prefix + b.secret)
	for part := range strings.SplitSeq(b.scope(form, day), "/") {
		key = hmacSHA256(key, part)
	}
	return key
}

// headerLines returns the headers with that prefix or those names, as lines of
// "name:value".
func headerLines(h http.Header, prefix string, names ...string) string {
	var lines []string
	for k, v := range h {
		k = strings.ToLower(k)
		if strings.HasPrefix(k, prefix) || slices.Contains(names, k) {
			lines = append(lines, k+":"+strings.TrimSpace(strings.Join(v, ","))+"\n")
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// withValue returns a parameter as OSS signs it: only the name if the value is
// empty.
func withValue(k, v string) string {
	if v == "" {
		return k
	}
	return k + "=" + v
}
