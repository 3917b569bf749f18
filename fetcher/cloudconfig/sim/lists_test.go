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
