package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"packseal.example/daemon"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

const (
	manyGroups  = 10
	apiLatency  = 20 * time.Millisecond
	groupsQuery = "MaxResults=100"
)

// BenchmarkDiscovery lists 1,000 packs over 10 account groups, as packseal packs does
// with a rule for all. The other side is the bare listing: the groups, the account,
// and each group page by page, as long as there are more packs by the API's total.
func BenchmarkDiscovery(b *testing.B) {
	server, err := sim.New(sim.Options{AccessKeyID: simKeyID, AccessKeySecret: simKeySecret, Latency: apiLatency})
	if err != nil {
		b.Fatal(err)
	}
	for i := range manyPacks {
		err := server.Add(sim.Pack{ID: manyPack(i), Aggregator: fmt.Sprintf("ca-%02d", i%manyGroups), Tags: map[string]string{"env": "prod"}, Name: fmt.Sprintf("pack %d", i)})
		if err != nil {
			b.Fatal(err)
		}
	}
	api := httptest.NewServer(server)
	defer api.Close()
	path := lab.Setup{Endpoint: api.URL, Source: "requests_per_second: 100000", Discover: "aggregators: [all], rules: [{match: {tags: {env: prod}}}]"}.Write(b)
	cfg, err := (&daemon.ConfigFile{Path: filepath.Clean(path)}).Load()
	if err != nil {
		b.Fatal(err)
	}
	total := func() (n int) {
		for _, calls := range server.Calls() {
			n += calls
		}
		return n
	}
	var bare, ours time.Duration
	var bareCalls, ourCalls int
	for b.Loop() {
		began, before := time.Now(), total()
		if n := bareListing(b, api.URL); n != manyPacks {
			b.Fatalf("%d packs", n)
		}
		bare, bareCalls = bare+time.Since(began), bareCalls+total()-before
		began, before = time.Now(), total()
		all, err := daemon.ListPacks(b.Context(), cfg, "", "packseal/bench")
		if err != nil || len(all) != 1 || len(all[0].Packs) != manyPacks || all[0].Packs[0].State != "kept" {
			b.Fatalf("%v", err)
		}
		ours, ourCalls = ours+time.Since(began), ourCalls+total()-before
	}
	b.ReportMetric(float64(ourCalls)/float64(b.N), "calls")
	b.ReportMetric(float64(ourCalls)/float64(bareCalls), "calls/bare")
	b.ReportMetric(ours.Seconds()/bare.Seconds(), "time/bare")
}

// bareListing returns how many packs the account and its groups have.
func bareListing(b *testing.B, endpoint string) (n int) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	ask := func(action, query string, answer any) {
		call, err := bareCall(endpoint, action, query)
		if err == nil {
			var raw []byte
			if raw, err = bareDo(client, call); err == nil {
				err = json.Unmarshal(raw, answer)
			}
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	var groups struct {
		AggregatorsResult struct {
			Aggregators []struct{ AggregatorId string }
		}
	}
	ask("ListAggregators", groupsQuery, &groups)
	list := func(action, query string) {
		for number, seen := 1, 0; ; number++ {
			var page struct {
				CompliancePacksResult struct {
					CompliancePacks []struct{ CompliancePackId string }
					TotalCount      int
				}
			}
			ask(action, fmt.Sprintf("%sPageNumber=%d&PageSize=100", query, number), &page)
			got := page.CompliancePacksResult
			seen += len(got.CompliancePacks)
			if seen >= got.TotalCount {
				n += seen
				return
			}
		}
	}
	list("ListCompliancePacks", "")
	for _, g := range groups.AggregatorsResult.Aggregators {
		list("ListAggregateCompliancePacks", "AggregatorId="+g.AggregatorId+"&")
	}
	return n
}
