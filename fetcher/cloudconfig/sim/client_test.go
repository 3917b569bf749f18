package sim_test

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
)

// Marked secrets, to detect leaks.
const (
	keyID    = "LTAI-test-key"
	secret   = "MARKED-secret-of-the-tests"
	stsToken = "MARKED-token-of/the+tests=="
)

// newServer returns a simulator with the packs.
func newServer(t *testing.T, opt sim.Options) *sim.Server {
	t.Helper()
	opt.AccessKeyID, opt.AccessKeySecret = keyID, secret
	s, err := sim.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// answer is the response to a call.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
	JSON   struct {
		RequestId, Code, Message string
		CompliancePackId         string
		CompliancePackReport     struct {
			AccountId                                 int64
			CompliancePackId, ReportStatus, ReportUrl string
			ReportCreateTimestamp                     int64
		}
	}
}

// do serves the request without a socket.
func do(t testing.TB, s http.Handler, r *http.Request) answer {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	got := answer{Status: w.Code, Header: w.Result().Header, Body: w.Body.Bytes()}
	if strings.HasPrefix(got.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(got.Body, &got.JSON); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

// call makes a call signed with ACS3, with its parameters in the query.
func call(t testing.TB, s http.Handler, action string, kv ...string) answer {
	t.Helper()
	return do(t, s, signed(action, time.Now(), kv...))
}

// signed returns an ACS3 call.
func signed(action string, date time.Time, kv ...string) *http.Request {
	q := url.Values{}
	for i := 0; i < len(kv); i += 2 {
		q.Set(kv[i], kv[i+1])
	}
	r := httptest.NewRequest("POST", "http://config.test/?"+q.Encode(), nil)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("x-acs-action", action)
	r.Header.Set("x-acs-version", "2020-09-07")
	r.Header.Set("x-acs-date", date.UTC().Format(time.RFC3339))
	r.Header.Set("x-acs-signature-nonce", nonce())
	r.Header.Set("x-acs-content-sha256", sim.HexSHA256(nil))
	sim.SignACS3(r, keyID, secret)
	return r
}

func nonce() string {
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// report generates a report of the pack, and returns the link to it.
func report(t testing.TB, s http.Handler, pack string) string {
	t.Helper()
	if a := call(t, s, "GenerateCompliancePackReport", "CompliancePackId", pack); a.Status != 200 {
		t.Fatalf("generating: %d %s", a.Status, a.Body)
	}
	return look(t, s, pack)
}

// look returns a new link to the pack's report.
func look(t testing.TB, s http.Handler, pack string) string {
	t.Helper()
	a := call(t, s, "GetCompliancePackReport", "CompliancePackId", pack)
	if a.JSON.CompliancePackReport.ReportUrl == "" {
		t.Fatalf("no link: %d %s", a.Status, a.Body)
	}
	return a.JSON.CompliancePackReport.ReportUrl
}

// get downloads from the link; change may modify the request.
func get(t testing.TB, s http.Handler, link string, change ...func(*http.Request)) answer {
	t.Helper()
	r := httptest.NewRequest("GET", link, nil)
	for _, f := range change {
		f(r)
	}
	return do(t, s, r)
}
