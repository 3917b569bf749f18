package sim_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"packseal.example/fetcher/cloudconfig/sim"
)

// TestListPacks pages through the packs of an account and of a group.
func TestListPacks(t *testing.T) {
	t.Parallel()
	var packs []sim.Pack
	for i := range 25 {
		packs = append(packs, sim.Pack{ID: fmt.Sprintf("cp-%02d", i), Name: "等保"}, sim.Pack{ID: fmt.Sprintf("cp-g%02d", i), Aggregator: "ca-1"})
	}
	s := newServer(t, sim.Options{Packs: packs})
	for _, c := range []struct {
		action string
		kv     []string
		code   string
		first  string
		n      int
	}{
		{"ListCompliancePacks", nil, "", "cp-00", 10},
		{"ListCompliancePacks", []string{"PageNumber", "3"}, "", "cp-20", 5},
		{"ListCompliancePacks", []string{"PageNumber", "4"}, "", "", 0},
		{"ListCompliancePacks", []string{"PageSize", "100", "Status", "ACTIVE"}, "", "cp-00", 25},
		{"ListCompliancePacks", []string{"Status", "CREATING"}, "", "", 0},
		{"ListCompliancePacks", []string{"Status", "GONE"}, "Invalid.Status.Value", "", 0},
		{"ListCompliancePacks", []string{"PageSize", "101"}, "Invalid.PageSize.Value", "", 0},
		{"ListCompliancePacks", []string{"PageNumber", "0"}, "Invalid.PageNumber.Value", "", 0},
		{"ListAggregateCompliancePacks", []string{"AggregatorId", "ca-1", "PageSize", "7", "PageNumber", "2"}, "", "cp-g07", 7},
		{"ListAggregateCompliancePacks", nil, "MissingAggregatorId", "", 0},
		{"ListAggregateCompliancePacks", []string{"AggregatorId", "ca-2"}, "Invalid.AggregatorId.Value", "", 0},
	} {
		a := call(t, s, c.action, c.kv...)
		var got struct {
			CompliancePacksResult struct {
				CompliancePacks []struct{ CompliancePackId, AggregatorId string }
				TotalCount      int
			}
		}
		if err := json.Unmarshal(a.Body, &got); err != nil {
			t.Fatal(err)
		}
		page := got.CompliancePacksResult.CompliancePacks
		if a.JSON.Code != c.code || len(page) != c.n || len(page) > 0 && page[0].CompliancePackId != c.first {
			t.Errorf("%s%q: %s", c.action, c.kv, a.Body)
		}
		if c.n > 0 && got.CompliancePacksResult.TotalCount != 25 {
			t.Errorf("%s%q: %d in total", c.action, c.kv, got.CompliancePacksResult.TotalCount)
		}
	}
}

// listed lists packs, and returns their IDs.
func listed(t *testing.T, s *sim.Server, action string, kv ...string) (ids string) {
	t.Helper()
	var got struct {
		CompliancePacksResult struct {
			CompliancePacks []struct {
				CompliancePackId, CompliancePackTemplateId, Status string
				RiskLevel                                          int
				Tags                                               []struct{ TagKey, TagValue string }
			}
		}
	}
	a := call(t, s, action, append(kv, "PageSize", "100")...)
	if err := json.Unmarshal(a.Body, &got); err != nil || a.Status != 200 {
		t.Fatalf("%v: %s", err, a.Body)
	}
	for _, p := range got.CompliancePacksResult.CompliancePacks {
		ids += fmt.Sprint(p.CompliancePackId, " ", p.Status, " ", p.RiskLevel, " ", p.CompliancePackTemplateId, " ", p.Tags, "; ")
	}
	return ids
}

// TestListedPacks: lists say what a pack is, and can be asked for those with tags or
// a status.
func TestListedPacks(t *testing.T) {
	t.Parallel()
	s := newServer(t, sim.Options{Packs: []sim.Pack{
		{ID: "cp-1", Tags: map[string]string{"env": "prod", "a": "b"}, Template: "ct-1", Risk: 2},
		{ID: "cp-2", Tags: map[string]string{"env": "test"}, Status: "INACTIVE"},
		{ID: "cp-3", Status: "CREATING"},
	}})
	const one, two, three = "cp-1 ACTIVE 2 ct-1 [{a b} {env prod}]; ", "cp-2 INACTIVE 1  [{env test}]; ", "cp-3 CREATING 1  []; "
	for _, c := range []struct {
		kv   []string
		want string
	}{
		{nil, one + two + three},
		{[]string{"Status", "ACTIVE"}, one},
		{[]string{"Status", "CREATING"}, three},
		{[]string{"Tag", `[{"Key":"env","Value":"test"}]`}, two},
		{[]string{"Tag", `[{"Key":"env","Value":"prod"},{"Key":"a","Value":"b"}]`}, one},
		{[]string{"Tag", `[{"Key":"env","Value":"prod"},{"Key":"a","Value":"c"}]`}, ""},
	} {
		if got := listed(t, s, "ListCompliancePacks", c.kv...); got != c.want {
			t.Errorf("%q: %s", c.kv, got)
		}
	}
	if got := call(t, s, "ListCompliancePacks", "Tag", "env=prod").JSON.Code; got != "Invalid.Tag.Value" {
		t.Errorf("a tag that is no JSON: %q", got)
	}
}

// TestComeAndGo: packs and account groups are there from when they are added until
// they are removed; links to their reports outlive them.
func TestComeAndGo(t *testing.T) {
	t.Parallel()
	s := newServer(t, sim.Options{Packs: []sim.Pack{{ID: "cp-1"}}, Groups: []sim.Group{{ID: "ca-1", Creating: true}}})
	link := report(t, s, "cp-1")
	if err := s.Add(sim.Pack{ID: "cp-1"}); err == nil {
		t.Error("a pack was added twice")
	}
	s.Remove("cp-1")
	s.Remove("cp-none")
	if got := call(t, s, "GetCompliancePackReport", "CompliancePackId", "cp-1").JSON.Code; got != "Invalid.CompliancePackId.Value" {
		t.Errorf("a pack that is gone: %q", got)
	}
	if got := listed(t, s, "ListCompliancePacks"); got != "" {
		t.Errorf("it is listed: %s", got)
	}
	if a := get(t, s, link); a.Status != 200 {
		t.Errorf("its report: %d", a.Status)
	}
	if err := s.Add(sim.Pack{ID: "cp-1", Name: "again"}); err != nil {
		t.Error(err)
	}
	if got := call(t, s, "GetCompliancePackReport", "CompliancePackId", "cp-1").JSON.CompliancePackReport.ReportStatus; got != "NONE" {
		t.Errorf("a pack that is back: %q", got)
	}
	group := []string{"AggregatorId", "ca-1"}
	if got := call(t, s, "ListAggregateCompliancePacks", group...).JSON.Code; got != "Invalid.AggregatorId.Value" {
		t.Errorf("a group that is being created: %q", got)
	}
	s.SetGroup(sim.Group{ID: "ca-1"})
	s.SetGroup(sim.Group{ID: "ca-2"})
	if err := s.Add(sim.Pack{ID: "cp-1", Aggregator: "ca-1"}); err != nil {
		t.Error(err)
	}
	if got := listed(t, s, "ListAggregateCompliancePacks", group...); got != "cp-1 ACTIVE 1  []; " {
		t.Errorf("a group that was created: %s", got)
	}
	s.RemoveGroup("ca-1")
	if got := call(t, s, "GetAggregateCompliancePackReport", append(group, "CompliancePackId", "cp-1")...).JSON.Code; got != "Invalid.AggregatorId.Value" {
		t.Errorf("a group that is gone: %q", got)
	}
	if got := listed(t, s, "ListCompliancePacks"); got != "cp-1 ACTIVE 1  []; " {
		t.Errorf("the account's own: %s", got)
	}
}

// TestListGroups follows NextToken to the end.
func TestListGroups(t *testing.T) {
	t.Parallel()
	s := newServer(t, sim.Options{Packs: []sim.Pack{
		{ID: "cp-1", Aggregator: "ca-1"}, {ID: "cp-2", Aggregator: "ca-2"}, {ID: "cp-3", Aggregator: "ca-1"}, {ID: "cp-4", Aggregator: "ca-3"},
	}})
	var ids []string
	for next := ""; ; {
		var got struct {
			AggregatorsResult struct {
				Aggregators []struct{ AggregatorId string }
				NextToken   string
			}
		}
		a := call(t, s, "ListAggregators", "MaxResults", "2", "NextToken", next)
		if err := json.Unmarshal(a.Body, &got); err != nil || a.Status != 200 {
			t.Fatalf("%v: %s", err, a.Body)
		}
		for _, g := range got.AggregatorsResult.Aggregators {
			ids = append(ids, g.AggregatorId)
		}
		if next = got.AggregatorsResult.NextToken; next == "" {
			break
		}
	}
	if !slices.Equal(ids, []string{"ca-1", "ca-2", "ca-3"}) {
		t.Errorf("groups %v", ids)
	}
	for _, c := range [][]string{{"MissingMaxResults"}, {"Invalid.MaxResults.Value", "MaxResults", "101"}, {"Invalid.NextToken.Value", "MaxResults", "1", "NextToken", "?"}} {
		if got := call(t, s, "ListAggregators", c[1:]...).JSON.Code; got != c[0] {
			t.Errorf("%q: %q, want %q", c[1:], got, c[0])
		}
	}
}

// TestListTemplates follows NextToken through those that have a keyword, until one is
// deleted.
func TestListTemplates(t *testing.T) {
	t.Parallel()
	s := newServer(t, sim.Options{Packs: []sim.Pack{{ID: "crt-1", Name: "monthly"}, {ID: "cp-1"}, {ID: "crt-2", Name: "daily"}, {ID: "crt-3", Name: "monthly, all"}}})
	ask := func(params ...string) (ids []string, next string) {
		t.Helper()
		var got struct {
			ReportTemplateList []struct{ ReportTemplateId, ReportTemplateName string }
			NextToken          string
			TotalCount         int
		}
		if a := call(t, s, "ListReportTemplates", params...); json.Unmarshal(a.Body, &got) != nil || a.Status != 200 {
			t.Fatalf("%s", a.Body)
		}
		for _, r := range got.ReportTemplateList {
			ids = append(ids, r.ReportTemplateId)
		}
		return ids, got.NextToken
	}
	first, next := ask("MaxResults", "1", "Keyword", "monthly")
	second, end := ask("MaxResults", "1", "Keyword", "monthly", "NextToken", next)
	if !slices.Equal(append(first, second...), []string{"crt-1", "crt-3"}) || end != "" {
		t.Errorf("%v, then %v and %q", first, second, end)
	}
	s.Remove("crt-3")
	if ids, _ := ask(); !slices.Equal(ids, []string{"crt-1", "crt-2"}) {
		t.Errorf("after one was deleted: %v", ids)
	}
	if got := call(t, s, "ListReportTemplates", "MaxResults", "51").JSON.Code; got != "Invalid.MaxResults.Value" {
		t.Errorf("a page of 51: %q", got)
	}
}
