package ossfake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm = "OSS4-HMAC-SHA256"
	stamp     = "20060102T150405Z"
	unsigned  = "UNSIGNED-PAYLOAD"
	maxSkew   = 15 * time.Minute
)

// signature is what a request says of its signature, in a header or the query.
type signature struct {
	scope      []string // access key ID, day, region, "oss", "aliyun_v4_request"
	additional string   // names of further headers that are signed
	date, hex  string
	expires    time.Duration // after date, of a signature in the query
	token      string
	payload    string
}

// parseSignature returns the signature of a request, and false if it has none of the
// fourth version.
func parseSignature(r *http.Request) (s signature, ok bool) {
	q := r.URL.Query()
	if q.Has("x-oss-signature") {
		seconds, err := strconv.Atoi(q.Get("x-oss-expires"))
		s = signature{
			strings.Split(q.Get("x-oss-credential"), "/"), q.Get("x-oss-additional-headers"), q.Get("x-oss-date"), q.Get("x-oss-signature"),
			time.Duration(seconds) * time.Second, q.Get("x-oss-security-token"), unsigned,
		}
		return s, err == nil && seconds > 0 && q.Get("x-oss-signature-version") == algorithm
	}
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), algorithm+" ")
	s = signature{date: r.Header.Get("x-oss-date"), token: r.Header.Get("x-oss-security-token"), payload: r.Header.Get("x-oss-content-sha256")}
	for pair := range strings.SplitSeq(rest, ",") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(pair), "="); name {
		case "Credential":
			s.scope = strings.Split(value, "/")
		case "AdditionalHeaders":
			s.additional = value
		case "Signature":
			s.hex = value
		}
	}
	return s, ok
}

// authenticate checks the signature, and answers if it is wrong.
func (c *call) authenticate() bool {
	s, ok := parseSignature(c.Request)
	at, err := time.Parse(stamp, s.date)
	var key Key
	if ok && len(s.scope) == 5 {
		key, ok = c.Keys[s.scope[0]]
	}
	status, code := http.StatusForbidden, Code{}
	switch late := c.now().Sub(at); {
	case len(s.scope) != 5 || err != nil || s.payload != unsigned:
		code = denied.because("The request has no signature of version 4.")
	case !ok:
		code = Code{Code: "InvalidAccessKeyId", Message: "The OSS Access Key Id you provided does not exist in our records.", EC: "0002-00000902", Extra: "<OSSAccessKeyId>" + s.scope[0] + "</OSSAccessKeyId>"}
	case s.token != key.Token:
		code = Code{Code: "InvalidAccessKeyId", Message: "The security token you provided is invalid.", EC: "0002-00000903"}
	case !key.Expires.IsZero() && c.now().After(key.Expires):
		code = Code{Code: "SecurityTokenExpired", Message: "The security token you provided has expired."}
	case s.expires == 0 && late.Abs() > maxSkew:
		code = Code{Code: "RequestTimeTooSkewed", Message: "The difference between the request time and the current time is too large.", EC: "0002-00000504"}
	case s.expires > 0 && (late > s.expires || s.expires > 7*24*time.Hour):
		code = denied.because("Request has expired.")
	case s.scope[2] != Region:
		status, code = http.StatusBadRequest, Code{Code: "InvalidArgument", Message: "Invalid signing region in Authorization header.", EC: "0002-00000226"}
	case s.scope[1] != at.Format("20060102") || s.scope[3] != "oss" || s.scope[4] != "aliyun_v4_request":
		status, code = http.StatusBadRequest, invalid.because("Invalid signing scope in Authorization header.")
	case s.hex != s.want(c, key.Secret):
		code = Code{Code: "SignatureDoesNotMatch", Message: "The request signature we calculated does not match the signature you provided. Check your key and signing method.", EC: "0002-00000040"}
	default:
		return true
	}
	c.fail(status, code)
	return false
}

// want returns the signature that the request must have.
func (s signature) want(c *call, secret string) string {
	canonical := strings.Join([]string{c.Method, canonicalPath(c.bucket, c.key), canonicalQuery(c.URL.RawQuery), s.canonicalHeaders(c.Request), s.additional, s.payload}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	mac := []byte("aliyun_v4" + secret)
	for _, text := range append(slices.Clone(s.scope[1:]), strings.Join([]string{algorithm, s.date, strings.Join(s.scope[1:], "/"), hex.EncodeToString(sum[:])}, "\n")) {
		h := hmac.New(sha256.New, mac)
		h.Write([]byte(text))
		mac = h.Sum(nil)
	}
	return hex.EncodeToString(mac)
}

// escape escapes all but unreserved characters.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// canonicalPath returns the path of a bucket or an object, whatever the host is.
func canonicalPath(bucket, key string) string {
	if bucket == "" {
		return "/"
	}
	return "/" + bucket + "/" + strings.ReplaceAll(escape(key), "%2F", "/")
}

func canonicalQuery(raw string) string {
	var pairs []string
	for pair := range strings.SplitSeq(strings.ReplaceAll(raw, "+", "%20"), "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.PathUnescape(name)
		value, err2 := url.PathUnescape(value)
		if name == "" || name == "x-oss-signature" || err != nil || err2 != nil {
			continue
		}
		if pair = escape(name); value != "" {
			pair += "=" + escape(value)
		}
		pairs = append(pairs, pair)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// canonicalHeaders returns the lines of the headers that are signed.
func (s signature) canonicalHeaders(r *http.Request) string {
	lines := map[string]string{}
	named := strings.Split(s.additional, ";")
	for name, values := range r.Header {
		low := strings.ToLower(name)
		if strings.HasPrefix(low, "x-oss-") || low == "content-type" || low == "content-md5" || slices.Contains(named, low) {
			trimmed := make([]string, len(values))
			for i, v := range values {
				trimmed[i] = strings.TrimSpace(v)
			}
			lines[low] = strings.Join(trimmed, ",")
		}
	}
	if slices.Contains(named, "host") {
		lines["host"] = r.Host
	}
	if slices.Contains(named, "content-length") {
		lines["content-length"] = strconv.FormatInt(r.ContentLength, 10)
	}
	var b strings.Builder
	for _, name := range sorted(lines) {
		fmt.Fprintf(&b, "%s:%s\n", name, lines[name])
	}
	return b.String()
}
