package sim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
)

// reportOf is a report in a response, of any kind but that of a compliance pack.
type reportOf struct {
	ReportId, ReportStatus, ReportUrl, TemplateReportId, Status, DownloadUrl        string
	ReportCreateTimestamp, ReportCreateStartTimestamp, ReportCreateEndTimestamp, At int64
	ResourceInventoryGenerateTime                                                   int64
}

// ask makes a call and returns the ID and the report in the response, or its error
// code.
func ask(t *testing.T, s http.Handler, action string, kv ...string) (id string, r *reportOf, code string) {
	t.Helper()
	var body struct {
		ReportId, Code                                       string
		ConfigRulesReport, TemplateReport, ResourceInventory *reportOf
	}
	a := call(t, s, action, kv...)
	if err := json.Unmarshal(a.Body, &body); err != nil {
		t.Fatal(err)
	}
	for _, found := range []*reportOf{body.ConfigRulesReport, body.TemplateReport, body.ResourceInventory} {
		if found != nil {
			r = found
		}
	}
	return body.ReportId, r, body.Code
}

// TestRules: a report has the ID that its request returned, and nothing else tells it
// from others.
func TestRules(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, sim.Options{Packs: []sim.Pack{{ID: "rules", Script: sim.Script{Make: time.Minute}}}})
		first, _, _ := ask(t, s, "GenerateConfigRulesReport", "ClientToken", "a")
		again, _, _ := ask(t, s, "GenerateConfigRulesReport", "ClientToken", "a")
		if !strings.HasPrefix(first, "crp-") || again != first {
			t.Errorf("the IDs are %q and %q", first, again)
		}
		if id, _, code := ask(t, s, "GenerateConfigRulesReport", "ClientToken", "b"); id != "" || code != "ConfigRuleReportCreating" {
			t.Errorf("another request: %q, %q", id, code)
		}
		if _, r, _ := ask(t, s, "GetConfigRulesReport", "ReportId", first); r.ReportStatus != "CREATING" || r.ReportId != first || r.ReportUrl != "" {
			t.Errorf("got %+v", r)
		}
		time.Sleep(time.Minute)
		second, _, _ := ask(t, s, "GenerateConfigRulesReport", "ClientToken", "b")
		if _, r, _ := ask(t, s, "GetConfigRulesReport", "ReportId", first); r.ReportStatus != "COMPLETE" || r.ReportId != first || r.ReportUrl == "" || second == first {
			t.Errorf("got %+v", r)
		}
		for id, want := range map[string]string{"": "MissingReportId", "crp-other": "Invalid.ReportId.Value"} {
			if _, _, code := ask(t, s, "GetConfigRulesReport", "ReportId", id); code != want {
				t.Errorf("%q: %q", id, code)
			}
		}
		if _, _, code := ask(t, s, "GenerateAggregateConfigRulesReport", "AggregatorId", "ca-1"); code != "Invalid.AggregatorId.Value" {
			t.Errorf("no such group: %q", code)
		}
	})
}

// TestLatest: of template reports and inventories, the latest is all there is, and
// each request makes another.
func TestLatest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pack, what, id string
		end            string // FAILED, …
	}{
		{"crt-1", "ReportFromTemplate", "crtr-", ""}, {"crt-1", "ReportFromTemplate", "crtr-", "TIMEOUT"}, {"inventory", "ResourceInventory", "", ""},
	} {
		t.Run(fmt.Sprint(c.what, c.end), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				script := sim.Script{Make: time.Minute}
				if c.end != "" {
					script.Ends = []string{"COMPLETE", c.end}
				}
				s := newServer(t, sim.Options{Packs: []sim.Pack{{ID: c.pack, Script: script}}})
				kv := []string{"ReportTemplateId", c.pack}
				if _, r, code := ask(t, s, "Get"+c.what, kv...); r != nil || code != "" {
					t.Errorf("before the first: %+v, %q", r, code)
				}
				began := time.Now()
				for n := range 2 {
					if id, _, code := ask(t, s, "Generate"+c.what, kv...); id != "" || code != "" {
						t.Errorf("got %q, %q", id, code)
					}
					_, r, _ := ask(t, s, "Get"+c.what, kv...)
					if r.Status != "CREATING" || r.ReportUrl+r.DownloadUrl != "" || !strings.HasPrefix(r.TemplateReportId, c.id) {
						t.Errorf("while it is generated: %+v", r)
					}
					time.Sleep(time.Minute)
					_, done, _ := ask(t, s, "Get"+c.what, kv...)
					want := "COMPLETE"
					if n == 1 && c.end != "" {
						want = c.end
					}
					if done.Status != want || (done.ReportUrl+done.DownloadUrl != "") != (want == "COMPLETE") || done.TemplateReportId != r.TemplateReportId {
						t.Errorf("got %+v", done)
					}
					at := max(done.ReportCreateStartTimestamp, done.ResourceInventoryGenerateTime)
					if at != began.Add(time.Duration(n)*time.Minute).UnixMilli() || c.id != "" && done.ReportCreateEndTimestamp != time.Now().UnixMilli() {
						t.Errorf("began at %d: %+v", at, done)
					}
				}
				if s.Made(c.pack) != 2 {
					t.Errorf("%d were requested", s.Made(c.pack))
				}
			})
		})
	}
	s := newServer(t, sim.Options{})
	if _, _, code := ask(t, s, "GetReportFromTemplate", "ReportTemplateId", "crt-none"); code != "Invalid.ReportTemplateId.Value" {
		t.Errorf("no such template: %q", code)
	}
	if a := call(t, s, "ListCompliancePacks"); strings.Contains(string(a.Body), "inventory") {
		t.Errorf("packs: %s", a.Body)
	}
}

// TestQuota: calls of a name beyond its quota are refused until the period ends; those
// of others are not.
func TestQuota(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, sim.Options{Quotas: map[string]sim.Quota{"GetResourceInventory": {Calls: 2, Period: time.Minute}}})
		for n, want := range []string{"", "", "Throttling.Api", "Throttling.Api"} {
			a := call(t, s, "GetResourceInventory")
			limit := a.Header.Get("x-ratelimit-user-api")
			if a.JSON.Code != want || strings.Contains(limit, "Remain:0,TimeLeft:60000") != (want != "") || a.Header.Get("x-ratelimit-user") != "" {
				t.Errorf("call %d: %q, %q", n, a.JSON.Code, limit)
			}
		}
		if a := call(t, s, "ListCompliancePacks"); a.Status != 200 {
			t.Errorf("another call: %s", a.Body)
		}
		time.Sleep(time.Minute)
		if a := call(t, s, "GetResourceInventory"); a.Status != 200 {
			t.Errorf("a minute later: %s", a.Body)
		}
	})
}
