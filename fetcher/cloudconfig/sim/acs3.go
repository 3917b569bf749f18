package sim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// acs3 is the algorithm of signatures in headers.
const acs3 = "ACS3-HMAC-SHA256"

// acs3Required are the required headers, with their names in errors of the gateway.
var acs3Required = [][2]string{
	{"x-acs-action", "Action"}, {"x-acs-version", "Version"}, {"x-acs-date", "Timestamp"},
	{"x-acs-signature-nonce", "SignatureNonce"}, {"x-acs-content-sha256", "ContentSha256"},
}

// readACS3 parses the Authorization header:
//
//	ACS3-HMAC-SHA256 Credential=<id>,SignedHeaders=<a;b>,Signature=<hex>
func (u *user) readACS3(c *call) (signature, *refusal) {
	for _, h := range acs3Required {
		if c.r.Header.Get(h[0]) == "" {
			return signature{}, missing(h[1])
		}
	}
	scheme, rest, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	parts := make(map[string]string)
	for part := range strings.SplitSeq(rest, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		parts[k] = v
	}
	names := strings.Split(parts["SignedHeaders"], ";")
	if scheme != acs3 || parts["Credential"] == "" || parts["Signature"] == "" || !coversHeaders(names, c.r.Header) {
		return signature{}, refuse("IncompleteSignature", "The request signature does not conform to Aliyun standards.")
	}
	sum := hexSHA256(c.body)
	if sum != c.r.Header.Get("x-acs-content-sha256") {
		return signature{}, refuse("SignatureDoesNotMatch", "The header x-acs-content-sha256 is not that of the body.")
	}
	canonical := canonicalRequest(c.r, names, sum)
	toSign := acs3 + "\n" + hexSHA256([]byte(canonical))
	return signature{
		keyID:    parts["Credential"],
		date:     c.r.Header.Get("x-acs-date"),
		given:    parts["Signature"],
		expected: hex.EncodeToString(hmacSHA256([]byte(u.secret), toSign)),
		signed:   toSign + " of the canonical request:" + canonical,
	}, nil
}

// coversHeaders reports whether names, which must be sorted and in lower case,
// include all headers that must be signed: host, content-type if present, and all
// x-acs-*.
func coversHeaders(names []string, h http.Header) bool {
	if !slices.IsSorted(names) || !slices.Contains(names, "host") {
		return false
	}
	for k := range h {
		k = strings.ToLower(k)
		if (k == "content-type" || strings.HasPrefix(k, "x-acs-")) && !slices.Contains(names, k) {
			return false
		}
	}
	return true
}

// canonicalRequest returns the canonical request of ACS3, by the published
// description of the algorithm; a test checks the example in it:
//
//	GET
//	/
//	CompliancePackId=cp-1              sorted, escaped by RFC 3986
//	host:config.cn-shanghai.aliyuncs.com
//	x-acs-action:GetCompliancePackReport
//	…                                  one per line, names in lower case, sorted
//	                                   an empty line ends the headers
//	host;x-acs-action;…                the names
//	<hex SHA-256 of the body>
//
// The string to sign is the name of the algorithm, a newline, and the hex SHA-256
// of this.
func canonicalRequest(r *http.Request, names []string, bodySum string) string {
	var b strings.Builder
	query, _ := url.ParseQuery(r.URL.RawQuery) // valid, as readCall has parsed it
	b.WriteString(r.Method + "\n/\n" + canonicalQuery(query) + "\n")
	for _, name := range names {
		value := strings.Join(trimmed(r.Header.Values(name)), ",")
		if name == "host" {
			value = r.Host
		}
		b.WriteString(name + ":" + value + "\n")
	}
	b.WriteString("\n" + strings.Join(names, ";") + "\n" + bodySum)
	return b.String()
}

// trimmed trims white space, which a proxy may add.
func trimmed(values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strings.TrimSpace(v)
	}
	return out
}

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func hmacSHA256(key []byte, data string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(data))
	return m.Sum(nil)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
