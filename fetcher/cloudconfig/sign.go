package cloudconfig

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"packseal.example/internal/ram"
)

// algorithm is the signature algorithm in the Authorization header.
const algorithm = "ACS3-HMAC-SHA256"

// stamp is the format of x-acs-date, in UTC.
const stamp = "2006-01-02T15:04:05Z"

// sign signs r at that time, with a new nonce. A request is signed only once; a
// retry is a new request.
func sign(r *http.Request, body []byte, k ram.Keys, at time.Time) {
	r.Header.Set("X-Acs-Date", at.UTC().Format(stamp))
	r.Header.Set("X-Acs-Signature-Nonce", rand.Text())
	if k.Token != "" {
		r.Header.Set("X-Acs-Security-Token", k.Token.Reveal())
	}
	authorize(r, body, k)
}

// authorize adds the signature to r, which must not be modified afterwards.
func authorize(r *http.Request, body []byte, k ram.Keys) {
	r.Header.Set("X-Acs-Content-Sha256", hexSum(body))
	canonical, names := canonicalRequest(r)
	mac := hmac.New(sha256.New, []byte(k.Secret.Reveal()))
	mac.Write([]byte(algorithm + "\n" + hexSum([]byte(canonical))))
	r.Header.Set("Authorization", algorithm+" Credential="+k.ID.Reveal()+
		",SignedHeaders="+names+",Signature="+hex.EncodeToString(mac.Sum(nil)))
}

// canonicalRequest returns the text to sign and the names of the signed headers:
// host, content-type and all x-acs-*.
func canonicalRequest(r *http.Request) (text, names string) {
	headers := map[string]string{"host": r.URL.Host}
	for name, values := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-acs-") || name == "content-type" {
			headers[name] = strings.TrimSpace(values[0])
		}
	}
	var block strings.Builder
	sorted := sortedKeys(headers)
	for _, name := range sorted {
		block.WriteString(name + ":" + headers[name] + "\n")
	}
	names = strings.Join(sorted, ";")
	return strings.Join([]string{
		r.Method, "/", encode(r.URL.Query()), block.String(), names, headers["x-acs-content-sha256"],
	}, "\n"), names
}

// encode encodes the parameters sorted and escaped by RFC 3986, both for the
// signature and for the request.
func encode(params url.Values) string {
	var pairs []string
	for _, name := range sortedKeys(params) {
		for _, value := range params[name] {
			pairs = append(pairs, escape(name)+"="+escape(value))
		}
	}
	return strings.Join(pairs, "&")
}

// escape escapes all but the unreserved characters A-Za-z0-9-_.~ as %XX, where
// url.QueryEscape writes a space as "+".
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

func sortedKeys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
