package cloudconfig

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/fetcher"
	"packseal.example/internal/egress"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Requests have only documented parameters, in the documented place, and no
// headers that are not needed.
func TestSent(t *testing.T) {
	t.Parallel()
	group := evidence.PackRef{ID: "cp-1", Aggregator: "ca-1"}
	due := time.Date(2026, 3, 1, 18, 0, 0, 0, time.UTC)
	token := clientToken(aPack.Slot(due), 0)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(due))
		s := &stub{answer: func(int, *http.Request) (*http.Response, error) { return respond(200, `{"RequestId":"R"}`), nil }}
		c := newTest(t, s)
		for _, p := range []evidence.PackRef{aPack, group} {
			if _, err := c.Generate(t.Context(), fetcher.Order{Slot: p.Slot(due)}); err != nil {
				t.Fatal(err)
			}
			for range c.Packs(t.Context(), p.Aggregator) {
				t.Error("a pack in an empty list")
			}
		}
		var got []string
		for _, r := range s.seen {
			got = append(got, r.Method+" "+r.Header.Get("X-Acs-Action")+" ?"+r.URL.RawQuery+" "+r.body)
			if r.URL.Path != "/" || r.Header.Get("Accept") != "application/json" || r.Header.Get("User-Agent") != "packseal/test" || r.Header.Get("X-Acs-Version") != "2020-09-07" {
				t.Errorf("path %q, headers %v", r.URL.Path, r.Header)
			}
			if form := r.Header.Get("Content-Type"); (form != "") != (r.body != "") {
				t.Errorf("content type %q of body %q", form, r.body)
			}
		}
		if diff := cmp.Diff([]string{
			"GET GetCompliancePackReport ?CompliancePackId=cp-1 ",
			"POST GenerateCompliancePackReport ? ClientToken=" + token + "&CompliancePackId=cp-1",
			"POST ListCompliancePacks ?PageNumber=1&PageSize=100 ",
			"GET GetAggregateCompliancePackReport ?AggregatorId=ca-1&CompliancePackId=cp-1 ",
			"POST GenerateAggregateCompliancePackReport ? AggregatorId=ca-1&ClientToken=" + clientToken(group.Slot(due), 0) + "&CompliancePackId=cp-1",
			"POST ListAggregateCompliancePacks ?AggregatorId=ca-1&PageNumber=1&PageSize=100 ",
		}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// What is sent about reports of other kinds than compliance packs, and for an
// evaluation.
func TestKindsSent(t *testing.T) {
	t.Parallel()
	slot := func(id, aggregator string) evidence.Slot {
		return evidence.PackRef{ID: id, Aggregator: aggregator}.Slot(due)
	}
	token := func(s evidence.Slot) string { return "ClientToken=" + clientToken(s, 0) }
	for want, q := range map[string]call{
		"POST GenerateConfigRulesReport ? " + token(slot("rules", "")):                                generateCall(slot("rules", ""), 0),
		"POST GenerateAggregateConfigRulesReport ? AggregatorId=ca-1&" + token(slot("rules", "ca-1")): generateCall(slot("rules", "ca-1"), 0),
		"POST GenerateReportFromTemplate ? ReportTemplateId=crt-1":                                    generateCall(slot("crt-1", ""), 0),
		"POST GetReportFromTemplate ?ReportTemplateId=crt-1 ":                                         reportCall("Get", evidence.PackRef{ID: "crt-1"}),
		"POST GenerateResourceInventory ?ResourceDeleted=1 ":                                          generateCall(slot("inventory", ""), 0),
		"POST GetResourceInventory ? ":                                                                reportCall("Get", evidence.PackRef{ID: "inventory"}),
		"POST GenerateAggregateResourceInventory ?AggregatorId=ca-1&ResourceDeleted=1 ":               generateCall(slot("inventory", "ca-1"), 0),
		"POST GetAggregateConfigRulesReport ?AggregatorId=ca-1 ":                                      reportCall("Get", evidence.PackRef{ID: "rules", Aggregator: "ca-1"}),
		"POST StartConfigRuleEvaluation ?CompliancePackId=cp-1 ":                                      evaluateCall(aPack),
		"POST StartAggregateConfigRuleEvaluation ?AggregatorId=ca-1&CompliancePackId=cp-1 ":           evaluateCall(evidence.PackRef{ID: "cp-1", Aggregator: "ca-1"}),
		"POST GetCompliancePack ?CompliancePackId=cp-1 ":                                              packCall("Get", "CompliancePack", aPack),
	} {
		s := &stub{answer: func(int, *http.Request) (*http.Response, error) { return respond(200, `{"RequestId":"R"}`), nil }}
		if _, err := newTest(t, s).do(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		r := s.seen[0]
		if got := r.Method + " " + r.Header.Get("X-Acs-Action") + " ?" + r.URL.RawQuery + " " + r.body; got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
		if !slices.Contains(callNames(), q.name) {
			t.Errorf("%s is in no list", q.name)
		}
	}
}

// Retries have a new nonce and the current date.
func TestRetriesAreSigned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		plan := []*http.Response{
			refusing(503, "ServiceUnavailable"), refusing(400, "SignatureNonceUsed"), refusing(400, "Throttling.User"),
			refusing(400, "InvalidSecurityToken.Expired"), nil, respond(200, `{"RequestId":"R"}`),
		}
		s := &stub{answer: func(n int, _ *http.Request) (*http.Response, error) {
			if plan[n] == nil {
				return nil, &url.Error{Op: "Get", URL: "https://x/?MARKED", Err: errors.New("connection reset")}
			}
			return plan[n], nil
		}}
		if _, err := newTest(t, s).do(t.Context(), reportCall("Get", aPack)); err != nil {
			t.Fatal(err)
		}
		nonces := map[string]bool{}
		for _, r := range s.seen {
			nonces[r.Header.Get("X-Acs-Signature-Nonce")] = true
			if got := r.Header.Get("X-Acs-Date"); got != r.at.UTC().Format(stamp) {
				t.Errorf("dated %s at %s", got, r.at.UTC())
			}
		}
		if len(nonces) != len(plan) {
			t.Errorf("%d nonces for %d tries", len(nonces), len(plan))
		}
	})
}

// The real transport, against a server that redirects and one that is down.
func TestSockets(t *testing.T) {
	t.Parallel()
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	t.Cleanup(server.Close)
	c := newTest(t, nil)
	transport, err := egress.New(egress.Options{Conns: 4})
	if err != nil {
		t.Fatal(err)
	}
	c.http.Transport = transport
	c.endpoint, _ = parseEndpoint(server.URL, false)
	_, err = c.try(t.Context(), reportCall("Get", aPack), marked)
	if e, ok := errors.AsType[*APIError](err); !ok || e.Status != 307 || slices.Contains(paths, "/elsewhere") {
		t.Errorf("got %v, requested %v", err, paths)
	}
	server.Close()
	_, err = c.try(t.Context(), reportCall("Get", aPack), marked)
	if fault.Of(err) != fault.Unavailable || strings.Contains(err.Error(), "CompliancePackId") {
		t.Errorf("got %v", err)
	}
}
