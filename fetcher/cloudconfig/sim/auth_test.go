package sim_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
)

const ordinary = "cp-fdc8626622af00f90000"

// one returns a simulator with a single pack.
func one(t *testing.T, script sim.Script) *sim.Server {
	t.Helper()
	return newServer(t, sim.Options{Packs: []sim.Pack{{ID: ordinary, Name: "MLPS level 3 等保三级", Script: script}}})
}

// TestACS3Rules breaks one rule of a valid call at a time: sign modifies the call
// before it is signed, spoil after.
func TestACS3Rules(t *testing.T) {
	t.Parallel()
	set := func(k, v string) func(*http.Request) { return func(r *http.Request) { r.Header.Set(k, v) } }
	drop := func(k string) func(*http.Request) { return func(r *http.Request) { r.Header.Del(k) } }
	at := func(d time.Duration) func(*http.Request) {
		return set("x-acs-date", time.Now().Add(d).UTC().Format(time.RFC3339))
	}
	authorization := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		}
	}
	for name, c := range map[string]struct {
		sign, spoil func(*http.Request)
		status      int
		code        string
	}{
		"good":               {status: 200},
		"14 minutes early":   {sign: at(14 * time.Minute), status: 200},
		"16 minutes early":   {sign: at(16 * time.Minute), status: 400, code: "InvalidTimeStamp.Expired"},
		"16 minutes late":    {sign: at(-16 * time.Minute), status: 400, code: "InvalidTimeStamp.Expired"},
		"not a date":         {sign: set("x-acs-date", "yesterday"), status: 400, code: "InvalidTimeStamp.Format"},
		"other version":      {sign: set("x-acs-version", "2019-01-01"), status: 400, code: "InvalidVersion"},
		"other action":       {sign: set("x-acs-action", "MakeCoffee"), status: 404, code: "InvalidAction.NotFound"},
		"sum of other body":  {sign: set("x-acs-content-sha256", sim.HexSHA256([]byte("x"))), status: 400, code: "SignatureDoesNotMatch"},
		"uncalled-for token": {sign: set("x-acs-security-token", "t"), status: 400, code: "InvalidSecurityToken.MismatchWithAccessKey"},
		"PUT":                {sign: func(r *http.Request) { r.Method = "PUT" }, status: 400, code: "UnsupportedHTTPMethod"},
		"no action":          {sign: drop("x-acs-action"), status: 400, code: "MissingAction"},
		"no version":         {sign: drop("x-acs-version"), status: 400, code: "MissingVersion"},
		"no date":            {sign: drop("x-acs-date"), status: 400, code: "MissingTimestamp"},
		"no nonce":           {sign: drop("x-acs-signature-nonce"), status: 400, code: "MissingSignatureNonce"},
		"no sum":             {sign: drop("x-acs-content-sha256"), status: 400, code: "MissingContentSha256"},
		"no authorization":   {spoil: drop("Authorization"), status: 400, code: "IncompleteSignature"},
		"other scheme":       {spoil: authorization("ACS3-HMAC-SHA256", "ACS4"), status: 400, code: "IncompleteSignature"},
		"other key":          {spoil: authorization(keyID, "LTAI-nobody"), status: 404, code: "InvalidAccessKeyId.NotFound"},
		"host not signed":    {spoil: authorization("host;", ""), status: 400, code: "IncompleteSignature"},
		"unsigned x-acs":     {spoil: set("x-acs-more", "1"), status: 400, code: "IncompleteSignature"},
		"unsigned type":      {spoil: set("Content-Type", "text/plain"), status: 400, code: "IncompleteSignature"},
		"other header kept":  {spoil: set("X-Forwarded-For", "10.0.0.1"), status: 200},
		"altered nonce":      {spoil: set("x-acs-signature-nonce", "abc"), status: 400, code: "SignatureDoesNotMatch"},
		"altered query":      {spoil: func(r *http.Request) { r.URL.RawQuery += "&A=b" }, status: 400, code: "SignatureDoesNotMatch"},
		"altered host":       {spoil: func(r *http.Request) { r.Host = "elsewhere" }, status: 400, code: "SignatureDoesNotMatch"},
		"altered method":     {spoil: func(r *http.Request) { r.Method = "GET" }, status: 400, code: "SignatureDoesNotMatch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := signed("GetCompliancePackReport", time.Now(), "CompliancePackId", ordinary)
			if c.sign != nil {
				c.sign(r)
				r.Header.Del("Authorization")
				sim.SignACS3(r, keyID, secret)
			}
			if c.spoil != nil {
				c.spoil(r)
			}
			got := do(t, one(t, sim.Script{}), r)
			if got.Status != c.status || got.JSON.Code != c.code {
				t.Errorf("response %d %s, want %d %s: %s", got.Status, got.JSON.Code, c.status, c.code, got.Body)
			}
			if got.JSON.RequestId == "" || got.Header.Get("x-acs-request-id") != got.JSON.RequestId {
				t.Errorf("request ID %q, in the header %q", got.JSON.RequestId, got.Header.Get("x-acs-request-id"))
			}
		})
	}
}

// rpcCall signs a call with HMAC-SHA1, by an independent implementation.
func rpcCall(method string, params url.Values) *http.Request {
	return rpcCallWith(method, params, secret)
}

// rpcCallWith signs with another secret.
func rpcCallWith(method string, params url.Values, secret string) *http.Request {
	rfc3986 := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	canonical := strings.ReplaceAll(params.Encode(), "+", "%20")
	m := hmac.New(sha1.New, []byte(secret+"&"))
	m.Write([]byte(method + "&%2F&" + rfc3986(canonical)))
	params.Set("Signature", base64.StdEncoding.EncodeToString(m.Sum(nil)))
	if method == "GET" {
		return httptest.NewRequest(method, "http://config.test/?"+params.Encode(), nil)
	}
	r := httptest.NewRequest(method, "http://config.test/", strings.NewReader(params.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// TestRPCRules does the same for signatures in parameters, of a query and a form.
func TestRPCRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, key, value string // what is signed instead; an empty value drops it
		status           int
		code             string
	}{
		{"good", "Format", "JSON", 200, ""},
		{"space and star", "Extra", "a b*~ü+", 200, ""},
		{"no nonce", "SignatureNonce", "", 400, "MissingSignatureNonce"},
		{"no key", "AccessKeyId", "", 400, "MissingAccessKeyId"},
		{"other key", "AccessKeyId", "nobody", 404, "InvalidAccessKeyId.NotFound"},
		{"other algorithm", "SignatureMethod", "HMAC-MD5", 400, "IncompleteSignature"},
		{"other version of it", "SignatureVersion", "2.0", 400, "IncompleteSignature"},
		{"old", "Timestamp", "2016-02-23T12:46:24Z", 400, "InvalidTimeStamp.Expired"},
		{"token", "SecurityToken", "t", 400, "InvalidSecurityToken.MismatchWithAccessKey"},
		{"no action", "Action", "", 400, "MissingAction"},
		{"no pack", "CompliancePackId", "", 400, "MissingCompliancePackId"},
	} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(method+" "+c.name, func(t *testing.T) {
				t.Parallel()
				params := url.Values{
					"Action": {"GetCompliancePackReport"}, "Version": {"2020-09-07"}, "Format": {"JSON"}, "AccessKeyId": {keyID},
					"SignatureMethod": {"HMAC-SHA1"}, "SignatureVersion": {"1.0"}, "SignatureNonce": {nonce()},
					"Timestamp": {time.Now().UTC().Format(time.RFC3339)}, "CompliancePackId": {ordinary},
				}
				params.Set(c.key, c.value)
				if c.value == "" {
					params.Del(c.key)
				}
				got := do(t, one(t, sim.Script{}), rpcCall(method, params))
				if got.Status != c.status || got.JSON.Code != c.code {
					t.Errorf("response %d %s, want %d %s: %s", got.Status, got.JSON.Code, c.status, c.code, got.Body)
				}
			})
		}
	}
}

// TestNonceOnce: a nonce is rejected as long as the date of its call may be valid,
// and is forgotten later.
func TestNonceOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := one(t, sim.Script{})
		code := func(n string) string {
			r := signed("GetCompliancePackReport", time.Now(), "CompliancePackId", ordinary)
			r.Header.Set("x-acs-signature-nonce", n)
			sim.SignACS3(r, keyID, secret)
			return do(t, s, r).JSON.Code
		}
		for _, step := range []struct {
			after time.Duration
			want  string
		}{{0, ""}, {0, "SignatureNonceUsed"}, {29 * time.Minute, "SignatureNonceUsed"}, {2 * time.Hour, ""}} {
			time.Sleep(step.after)
			if got := code("n"); got != step.want {
				t.Errorf("after %v: %q, want %q", step.after, got, step.want)
			}
		}
	})
}

// TestBadSignatureKeepsNonce: a call with an invalid signature does not use up the
// nonce.
func TestBadSignatureKeepsNonce(t *testing.T) {
	t.Parallel()
	s := one(t, sim.Script{})
	r := signed("GetCompliancePackReport", time.Now(), "CompliancePackId", ordinary)
	forged := r.Clone(t.Context())
	forged.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "Signature=", "Signature=0", 1))
	if got := do(t, s, forged).JSON.Code; got != "SignatureDoesNotMatch" {
		t.Errorf("forged: %q", got)
	}
	if got := do(t, s, r); got.Status != 200 {
		t.Errorf("the true one after it: %s", got.Body)
	}
}

// TestSecurityToken: with temporary keys, each call needs the token.
func TestSecurityToken(t *testing.T) {
	t.Parallel()
	s := newServer(t, sim.Options{SecurityToken: stsToken, Packs: []sim.Pack{{ID: ordinary}}})
	for given, want := range map[string]string{stsToken: "", "": "InvalidSecurityToken.MismatchWithAccessKey", "old": "InvalidSecurityToken.MismatchWithAccessKey"} {
		r := signed("GetCompliancePackReport", time.Now(), "CompliancePackId", ordinary)
		if given != "" {
			r.Header.Set("x-acs-security-token", given)
		}
		sim.SignACS3(r, keyID, secret)
		if got := do(t, s, r).JSON.Code; got != want {
			t.Errorf("with token %q: %q, want %q", given, got, want)
		}
	}
}
