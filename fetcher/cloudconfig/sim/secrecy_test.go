package sim_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
)

// TestSecrecy: no response or log contains the secret or the token, and no log
// contains signatures or keys.
func TestSecrecy(t *testing.T) {
	t.Parallel()
	var log, answers bytes.Buffer
	s := newServer(t, sim.Options{
		SecurityToken: stsToken,
		Logger:        slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Packs:         []sim.Pack{{ID: ordinary, Script: sim.Script{Failures: []sim.Failure{{Code: "NoPermission"}}}}},
	})
	keep := func(a answer) answer {
		fmt.Fprintf(&answers, "%d %v %s\n", a.Status, a.Header, a.Body)
		return a
	}
	calls := []func(*http.Request){
		func(*http.Request) {}, func(*http.Request) {},
		func(r *http.Request) { r.Header.Set("x-acs-signature-nonce", "spoiled") },
		func(r *http.Request) { r.Header.Set("x-acs-security-token", "other") },
		func(r *http.Request) { r.Header.Set("x-acs-action", secret) },
	}
	for _, action := range []string{"GenerateCompliancePackReport", "GetCompliancePackReport"} {
		for _, spoil := range calls {
			r := signed(action, time.Now(), "CompliancePackId", ordinary)
			r.Header.Set("x-acs-security-token", stsToken)
			sim.SignACS3(r, keyID, secret)
			spoil(r)
			a := keep(do(t, s, r))
			if link := a.JSON.CompliancePackReport.ReportUrl; link != "" {
				keep(get(t, s, link))
				keep(get(t, s, link+"x"))
				u, err := url.Parse(link)
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range []string{u.Query().Get("Signature"), u.Query().Get("OSSAccessKeyId"), u.Query().Get("security-token")} {
					if v == "" || strings.Contains(log.String(), v) {
						t.Errorf("%q is missing in the link, or stands in the log", v)
					}
				}
			}
		}
	}
	keep(do(t, s, rpcCall("GET", url.Values{
		"Action": {"ListCompliancePacks"}, "Version": {"2020-09-07"}, "AccessKeyId": {keyID}, "SignatureMethod": {"HMAC-SHA1"},
		"SignatureVersion": {"1.0"}, "SignatureNonce": {"n"}, "Timestamp": {time.Now().UTC().Format(time.RFC3339)},
		"SecurityToken": {stsToken}, "Format": {"JSON"}, "Signature": {"spoils what is signed"},
	})))
	once := url.QueryEscape(stsToken)
	for _, mark := range []string{secret, stsToken, once, url.QueryEscape(once)} {
		if strings.Contains(answers.String()+log.String(), mark) {
			t.Errorf("%q is in a response or the log", mark)
		}
	}
	if strings.Contains(log.String(), keyID) || !strings.Contains(log.String(), "call=download") {
		t.Errorf("the log:\n%s", log.String())
	}
	if !strings.Contains(answers.String(), "string to sign is:GET&%2F&") {
		t.Error("no response has the string to sign")
	}
}
