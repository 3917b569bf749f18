package cloudconfig

import (
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/internal/diag"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/ram"
)

// noDate is for a response without a Date.
const noDate = time.Duration(math.MaxInt64)

// dated responds to unsigned calls like the gateway, with a clock that is ahead,
// and passes others to signed.
func dated(ahead time.Duration, signed func(r *http.Request) *http.Response) *stub {
	return &stub{answer: func(_ int, r *http.Request) (*http.Response, error) {
		if r.Header.Get("Authorization") == "" {
			res := refusing(400, "MissingAction")
			res.Header.Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
			if ahead == noDate {
				res.Header.Del("Date")
			}
			return res, nil
		}
		return signed(r), nil
	}}
}

// brief is the part of a result that a test checks.
type brief struct {
	check  string
	state  diag.State
	reason fault.Reason
	says   string
}

// compare fails the test unless the results match and contain no secrets.
func compare(t *testing.T, got []diag.Result, want ...brief) {
	t.Helper()
	for _, r := range got {
		clean(t, r.Detail+r.Hint)
	}
	if !slices.EqualFunc(got, want, func(r diag.Result, b brief) bool {
		return r.Check == b.check && r.State == b.state && r.Reason == b.reason && strings.Contains(r.Detail+" "+r.Hint, b.says)
	}) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestExamine(t *testing.T) {
	t.Parallel()
	good := func(*http.Request) *http.Response { return reporting("COMPLETE", "https://x/y?z=1", time.Now()) }
	refuse := func(status int, code string) func(*http.Request) *http.Response {
		return func(*http.Request) *http.Response { return refusing(status, code) }
	}
	reached := brief{"endpoint", diag.Good, "", "config.example.com responds"}
	onTime := brief{"clock", diag.Good, "", "within a second"}
	for name, c := range map[string]struct {
		api  *stub
		pack evidence.PackRef
		want []brief
	}{
		"good":      {dated(0, good), aPack, []brief{reached, onTime, {"credentials", diag.Good, "", "key MA… from nowhere, of account 123"}}},
		"drifting":  {dated(-20*time.Second, good), aPack, []brief{reached, {"clock", diag.Good, "", "20s ahead of the server's"}, {"credentials", diag.Good, "", ""}}},
		"skewed":    {dated(20*time.Minute, good), aPack, []brief{reached, {"clock", diag.Bad, fault.ClockSkew, "20m1s behind the server's correct it"}, {"credentials", diag.Good, "", ""}}},
		"no date":   {dated(noDate, good), aPack, []brief{reached, {"clock", diag.Skipped, "", "no Date"}, {"credentials", diag.Good, "", ""}}},
		"denied":    {dated(0, refuse(403, "NoPermission")), aPack, []brief{reached, onTime, {"credentials", diag.Good, "", "an unknown account"}}},
		"not there": {dated(0, refuse(400, "Invalid.CompliancePackId.Value")), aPack, []brief{reached, onTime, {"credentials", diag.Good, "", ""}}},
		"wrong key": {dated(0, refuse(404, "InvalidAccessKeyId.NotFound")), aPack, []brief{reached, onTime, {"credentials", diag.Bad, fault.Credentials, "the access key must be active"}}},
		"forged":    {dated(0, refuse(400, "SignatureDoesNotMatch")), aPack, []brief{reached, onTime, {"credentials", diag.Bad, fault.Credentials, ""}}},
		"other API": {dated(0, refuse(404, "InvalidAction.NotFound")), aPack, []brief{reached, onTime, {"credentials", diag.Bad, fault.Request, "check that endpoint"}}},
		"no pack": {dated(0, func(r *http.Request) *http.Response {
			if r.Header.Get("X-Acs-Action") != "ListCompliancePacks" {
				return refusing(400, "MissingCompliancePackId")
			}
			return respond(200, `{"RequestId":"R","CompliancePacksResult":{"CompliancePacks":[]}}`)
		}), evidence.PackRef{}, []brief{reached, onTime, {"credentials", diag.Good, "", ""}}},
		"proxy": {&stub{answer: func(int, *http.Request) (*http.Response, error) { return respond(502, "<html>"), nil }}, aPack,
			[]brief{{"endpoint", diag.Bad, fault.Unavailable, "responded with 502 check any proxy"}}},
		"away": {&stub{answer: func(int, *http.Request) (*http.Response, error) { return nil, errors.New("no route to host") }}, aPack,
			[]brief{{"endpoint", diag.Bad, fault.Unavailable, "no route to host check that config.example.com is reachable"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				compare(t, newTest(t, c.api).Examine(t.Context(), c.pack), c.want...)
			})
		})
	}
}

func TestExaminePack(t *testing.T) {
	t.Parallel()
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const url = "https://b.oss.aliyuncs.com/r.xls?Signature=MARKED"
	list := `{"RequestId":"R","CompliancePacksResult":{"CompliancePacks":[{"CompliancePackId":"cp-2","CompliancePackName":"the other"}]}}`
	for name, c := range map[string]struct {
		answer func(r *http.Request) *http.Response
		want   brief
		link   bool
	}{
		"finished": {func(*http.Request) *http.Response { return reporting("COMPLETE", url, created) },
			brief{"permission", diag.Good, "", "config:GetCompliancePackReport; the latest report is of 2026-01-02T03:04:05Z"}, true},
		"in progress": {func(*http.Request) *http.Response { return reporting("CREATING", "", created) },
			brief{"permission", diag.Good, "", "is being generated"}, false},
		"none": {func(*http.Request) *http.Response { return respond(200, `{"RequestId":"R"}`) },
			brief{"permission", diag.Good, "", "there is no report yet"}, false},
		"denied": {func(*http.Request) *http.Response { return refusing(403, "NoPermission") },
			brief{"permission", diag.Bad, fault.Denied, "allow the RAM action config:GetCompliancePackReport on acs:config:*:*:compliancepack/cp-1"}, false},
		"not there": {func(r *http.Request) *http.Response {
			if r.Header.Get("X-Acs-Action") == "ListCompliancePacks" {
				return respond(200, list)
			}
			return refusing(400, "Invalid.CompliancePackId.Value")
		}, brief{"permission", diag.Bad, fault.NotFound, `existing packs: "cp-2" (the other)`}, false},
		"not there, nor to be listed": {func(r *http.Request) *http.Response {
			if r.Header.Get("X-Acs-Action") == "ListCompliancePacks" {
				return refusing(403, "NoPermission")
			}
			return refusing(400, "Invalid.CompliancePackId.Value")
		}, brief{"permission", diag.Bad, fault.NotFound, "(China or international)"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := dated(0, c.answer)
			r, link := newTest(t, api).ExaminePack(t.Context(), aPack)
			compare(t, []diag.Result{r}, c.want)
			if got := link.URL.Reveal() == url; got != c.link {
				t.Errorf("the link is %q", link.URL)
			}
			for _, s := range api.seen {
				if strings.HasPrefix(s.Header.Get("X-Acs-Action"), "Generate") {
					t.Error("a report was requested")
				}
			}
		})
	}
}

// Of other kinds: without the ID of a report nothing may be known of rules, and it is
// not documented what is said of a template that has no report yet, or was deleted:
// the list of templates tells.
func TestExamineKinds(t *testing.T) {
	t.Parallel()
	rules, template := evidence.PackRef{ID: "rules"}, evidence.PackRef{ID: "crt-1"}
	list := func(ids ...string) *http.Response {
		for i := range ids {
			ids[i] = `{"ReportTemplateId":"` + ids[i] + `","ReportTemplateName":"of it"}`
		}
		return respond(200, `{"RequestId":"R","ReportTemplateList":[`+strings.Join(ids, ",")+`]}`)
	}
	for name, c := range map[string]struct {
		pack   evidence.PackRef
		answer func() *http.Response
		want   brief
	}{
		"rules, no ID":       {rules, func() *http.Response { return refusing(400, "MissingReportId") }, brief{"permission", diag.Skipped, "", "unknown until a report was requested"}},
		"rules, an odd word": {rules, func() *http.Response { return refusing(400, "Invalid.ReportId.Value") }, brief{"permission", diag.Skipped, "", "unknown until"}},
		"rules, denied":      {rules, func() *http.Response { return refusing(403, "NoPermission") }, brief{"permission", diag.Bad, fault.Denied, "config:GetConfigRulesReport on *"}},
		"rules, the latest": {rules, func() *http.Response {
			return respond(200, `{"ConfigRulesReport":{"ReportId":"crp-1","ReportStatus":"CREATING"}}`)
		}, brief{"permission", diag.Good, "", "is being generated"}},
		"template, none":    {template, func() *http.Response { return respond(200, `{"RequestId":"R"}`) }, brief{"permission", diag.Good, "", "there is no report yet"}},
		"template, no word": {template, func() *http.Response { return refusing(404, "ReportNotFound") }, brief{"permission", diag.Good, "", "there is no report yet, as far as ReportNotFound says so"}},
		"template, gone":    {template, func() *http.Response { return refusing(400, "Invalid.ReportTemplateId.Value") }, brief{"permission", diag.Bad, fault.NotFound, `existing report templates: "crt-1" (of it)`}},
		"template, deleted": {evidence.PackRef{ID: "crt-2"}, func() *http.Response { return respond(200, `{"RequestId":"R"}`) }, brief{"permission", diag.Bad, fault.NotFound, `whether it was deleted; existing report templates: "crt-1"`}},
		"template, no list": {evidence.PackRef{ID: "crt-3"}, func() *http.Response { return refusing(404, "ReportNotFound") }, brief{"permission", diag.Good, "", "there is no report yet"}},
		"template, denied":  {template, func() *http.Response { return refusing(403, "NoPermission") }, brief{"permission", diag.Bad, fault.Denied, "config:GetReportFromTemplate on *"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newTest(t, dated(0, func(r *http.Request) *http.Response {
				switch {
				case r.Header.Get("X-Acs-Action") != "ListReportTemplates":
					return c.answer()
				case c.pack.ID == "crt-3":
					return refusing(403, "NoPermission")
				}
				return list("crt-1")
			}))
			r, _ := client.ExaminePack(t.Context(), c.pack)
			compare(t, []diag.Result{r}, c.want)
			all := client.Examine(t.Context(), c.pack)
			if last := all[len(all)-1]; last.Check != "credentials" || last.State != diag.Good {
				t.Errorf("the credentials: %+v", last)
			}
		})
	}
}

func TestExamineEvaluation(t *testing.T) {
	t.Parallel()
	for denied, want := range map[string]brief{
		"":                  {"evaluation", diag.Good, "", "config:GetCompliancePack and config:GetConfigRule; the pack has 2 rules"},
		"GetCompliancePack": {"evaluation", diag.Bad, fault.Denied, "allow the RAM action config:GetCompliancePack on *"},
		"GetConfigRule":     {"evaluation", diag.Bad, fault.Denied, "allow the RAM action config:GetConfigRule on *"},
	} {
		api := dated(0, func(r *http.Request) *http.Response {
			if r.Header.Get("X-Acs-Action") == denied {
				return refusing(403, "NoPermission")
			}
			return respond(200, `{"RequestId":"R","CompliancePack":{"ConfigRules":[{"ConfigRuleId":"cr-1"},{"ConfigRuleId":"cr-2"},{"ConfigRuleId":"cr-1"},{}]}}`)
		})
		compare(t, []diag.Result{newTest(t, api).ExamineEvaluation(t.Context(), aPack)}, want)
		for _, s := range api.seen {
			if strings.HasPrefix(s.Header.Get("X-Acs-Action"), "Start") {
				t.Error("an evaluation was requested")
			}
		}
	}
}

func TestExamineRequest(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]brief{
		"":                             {"permission", diag.Good, "", "config:GenerateCompliancePackReport; a report is now being generated"},
		"NoPermission":                 {"permission", diag.Bad, fault.Denied, "allow the RAM action config:GenerateCompliancePackReport"},
		"CompliancePackReportCreating": {"permission", diag.Skipped, "", "unknown while a report is being generated check again"},
	} {
		api := dated(0, func(*http.Request) *http.Response {
			if code == "" {
				return respond(200, `{"RequestId":"R","CompliancePackId":"cp-1"}`)
			}
			return refusing(400, code)
		})
		compare(t, []diag.Result{newTest(t, api).ExamineRequest(t.Context(), aPack)}, want)
		if len(api.seen) != 1 || !strings.Contains(api.seen[0].body, "ClientToken=packseal-") {
			t.Errorf("%s: %d calls", code, len(api.seen))
		}
	}
}

// Doctor names the provider of the chain that returned the keys.
func TestOrigin(t *testing.T) {
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAI5tMARKEDenvironment")
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "MARKED")
	c := newTest(t, dated(0, func(*http.Request) *http.Response { return reporting("NONE", "", time.Unix(0, 0)) }))
	c.keys = ram.New(nil)
	got := c.Examine(t.Context(), aPack)
	compare(t, got, brief{"endpoint", diag.Good, "", ""}, brief{"clock", diag.Good, "", ""},
		brief{"credentials", diag.Good, "", "access key LTAI…ment from the SDK credential chain (the environment), of account 123"})
}
