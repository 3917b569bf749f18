package sim_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
)

// generate requests a report, and returns the error code.
func generate(t *testing.T, s http.Handler, token string) string {
	t.Helper()
	return call(t, s, "GenerateCompliancePackReport", "CompliancePackId", ordinary, "ClientToken", token).JSON.Code
}

// status returns the status and creation time of the pack's report.
func status(t *testing.T, s http.Handler) (string, time.Time) {
	t.Helper()
	r := call(t, s, "GetCompliancePackReport", "CompliancePackId", ordinary).JSON.CompliancePackReport
	if (r.ReportUrl != "") != (r.ReportStatus == "COMPLETE") {
		t.Errorf("status %s with link %q", r.ReportStatus, r.ReportUrl)
	}
	return r.ReportStatus, time.UnixMilli(r.ReportCreateTimestamp)
}

// TestStates follows a pack from the start to its second report.
func TestStates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := one(t, sim.Script{Make: 5 * time.Second})
		expect := func(want string) {
			t.Helper()
			if got, _ := status(t, s); got != want {
				t.Errorf("status %s, want %s", got, want)
			}
		}
		refused := func(token, want string) {
			t.Helper()
			if got := generate(t, s, token); got != want {
				t.Errorf("generating as %q: %q, want %q", token, got, want)
			}
		}
		expect("NONE")
		refused("slot-1", "")
		expect("CREATING")
		refused("slot-1", "") // a replay
		refused("slot-2", "CompliancePackReportCreating")
		refused("", "CompliancePackReportCreating")
		time.Sleep(5*time.Second - time.Nanosecond)
		expect("CREATING")
		time.Sleep(time.Nanosecond)
		expect("COMPLETE")
		_, first := status(t, s)
		if !first.Equal(time.Now()) {
			t.Errorf("made at %v, want %v", first, time.Now())
		}
		refused("slot-1", "") // the same again starts nothing, a refused one was not used up
		expect("COMPLETE")
		refused("slot-2", "")
		expect("CREATING")
		time.Sleep(time.Minute)
		if _, second := status(t, s); second.Sub(first) != 5*time.Second {
			t.Errorf("second report %v after the first", second.Sub(first))
		}
	})
}

// TestStrictlyNewer: creation times are strictly increasing.
func TestStrictlyNewer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := one(t, sim.Script{})
		var last time.Time
		for i := range 40 {
			generate(t, s, fmt.Sprint(i))
			_, created := status(t, s)
			if !created.After(last) {
				t.Fatalf("report %d made at %v, the one before at %v", i, created, last)
			}
			last = created
		}
	})
}

// TestStandingNeverTouch: a report that exists at the start, one that is never
// ready, and one that a person requests.
func TestStandingNeverTouch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := one(t, sim.Script{Standing: 24 * time.Hour, Make: time.Minute})
		if word, created := status(t, s); word != "COMPLETE" || time.Since(created) != 24*time.Hour {
			t.Errorf("%s, %v old", word, time.Since(created))
		}
		s.Touch(ordinary)
		s.Touch("cp-nobody")
		if word, _ := status(t, s); word != "CREATING" {
			t.Errorf("touched: %s", word)
		}
		time.Sleep(time.Minute)
		if word, created := status(t, s); word != "COMPLETE" || !created.Equal(time.Now()) {
			t.Errorf("a minute later: %s of %v", word, created)
		}

		never := one(t, sim.Script{Never: true})
		generate(t, never, "a")
		time.Sleep(1000 * time.Hour)
		if word, _ := status(t, never); word != "CREATING" {
			t.Errorf("never: %s", word)
		}
	})
}

// TestSkew: the simulated clock applies.
func TestSkew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, sim.Options{Skew: time.Hour, Packs: []sim.Pack{{ID: ordinary}}})
		a := call(t, s, "GetCompliancePackReport", "CompliancePackId", ordinary)
		if a.JSON.Code != "InvalidTimeStamp.Expired" {
			t.Errorf("by the local clock: %q", a.JSON.Code)
		}
		date, err := http.ParseTime(a.Header.Get("Date"))
		if err != nil || time.Until(date).Round(time.Second) != time.Hour {
			t.Errorf("Date %v (%v)", date, err)
		}
		if a := do(t, s, signed("GetCompliancePackReport", date, "CompliancePackId", ordinary)); a.Status != 200 {
			t.Errorf("by the server's clock: %s", a.Body)
		}
	})
}

// TestParameters: invalid parameters are refused, in a query or a form.
func TestParameters(t *testing.T) {
	t.Parallel()
	const group, member = "ca-f632626622af00790000", "cp-a8a8626622af00820000"
	s := newServer(t, sim.Options{Packs: []sim.Pack{{ID: ordinary}, {ID: member, Aggregator: group, AccountID: "42"}}})
	for _, c := range []struct {
		action string
		kv     []string
		want   string
	}{
		{"GetCompliancePackReport", nil, "MissingCompliancePackId"},
		{"GetCompliancePackReport", []string{"CompliancePackId", sim.MissingPackID}, "Invalid.CompliancePackId.Value"},
		{"GetCompliancePackReport", []string{"CompliancePackId", member}, "Invalid.CompliancePackId.Value"},
		{"GetCompliancePackReport", []string{"CompliancePackId", group + "/" + member}, "Invalid.CompliancePackId.Value"},
		{"GenerateCompliancePackReport", []string{"CompliancePackId", ordinary, "ClientToken", strings.Repeat("a", 65)}, "Invalid.ClientToken.Value"},
		{"GenerateCompliancePackReport", []string{"CompliancePackId", ordinary, "ClientToken", "等保"}, "Invalid.ClientToken.Value"},
		{"GenerateAggregateCompliancePackReport", []string{"CompliancePackId", member}, "MissingAggregatorId"},
		{"GenerateAggregateCompliancePackReport", []string{"CompliancePackId", member, "AggregatorId", "ca-nobody"}, "Invalid.AggregatorId.Value"},
		{"GetAggregateCompliancePackReport", []string{"CompliancePackId", ordinary, "AggregatorId", group}, "Invalid.CompliancePackId.Value"},
		{"GenerateAggregateCompliancePackReport", []string{"CompliancePackId", member, "AggregatorId", group}, ""},
	} {
		if got := call(t, s, c.action, c.kv...).JSON.Code; got != c.want {
			t.Errorf("%s%q: %q, want %q", c.action, c.kv, got, c.want)
		}
	}
	a := call(t, s, "GetAggregateCompliancePackReport", "CompliancePackId", member, "AggregatorId", group)
	if r := a.JSON.CompliancePackReport; r.AccountId != 42 || r.CompliancePackId != member || r.ReportStatus != "COMPLETE" || !strings.Contains(r.ReportUrl, ".zip?") {
		t.Errorf("the group's report: %s", a.Body)
	}
}

// TestXML: responses and errors are XML unless JSON is requested.
func TestXML(t *testing.T) {
	t.Parallel()
	for pack, want := range map[string]string{
		ordinary:          "<CompliancePackReport><AccountId>1234567890123456</AccountId>",
		sim.MissingPackID: "<Code>Invalid.CompliancePackId.Value</Code>",
	} {
		r := signed("GetCompliancePackReport", time.Now(), "CompliancePackId", pack)
		r.Header.Del("Accept")
		got := do(t, one(t, sim.Script{}), r)
		if !strings.Contains(string(got.Body), want) || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/xml") {
			t.Errorf("%s: %s", got.Header.Get("Content-Type"), got.Body)
		}
	}
}

// TestOptions: invalid options are refused.
func TestOptions(t *testing.T) {
	t.Parallel()
	for name, packs := range map[string][]sim.Pack{
		"no ID":        {{}},
		"slashes":      {{ID: "a/b/c"}},
		"twice":        {{ID: "cp-1"}, {ID: "cp-1"}},
		"account":      {{ID: "cp-1", AccountID: "me"}},
		"huge":         {{ID: "cp-1", Script: sim.Script{Size: 1 << 30}}},
		"form of link": {{ID: "cp-1", Script: sim.Script{Link: "v9"}}},
	} {
		if _, err := sim.New(sim.Options{AccessKeyID: keyID, AccessKeySecret: secret, Packs: packs}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := sim.New(sim.Options{AccessKeyID: keyID}); err == nil {
		t.Error("without a secret: accepted")
	}
}
