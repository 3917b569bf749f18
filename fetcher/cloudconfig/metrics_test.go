package cloudconfig

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	newMetrics(reg, false)
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	const packs = 7 // calls about compliance packs, and the listing of account groups
	all := codes()
	slices.Sort(all)
	if compact := slices.Compact(slices.Clone(all)); len(compact) != len(all) {
		t.Errorf("labels twice: %v", all)
	}
	for name, want := range map[string]int{
		"packseal_api_requests_total":           packs * len(all),
		"packseal_api_throttled_total":          packs,
		"packseal_api_limited_seconds_total":    packs,
		"packseal_api_request_duration_seconds": packs,
	} {
		if n, err := testutil.GatherAndCount(reg, name); err != nil || n != want {
			t.Errorf("%s has %d series at the start, want %d: %v", name, n, want, err)
		}
	}
}

// No response of the API adds a series.
func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers := []string{"MARKED-id", "Throttling.Whatever", "Forbidden.Anything", "InvalidSecurityToken.Odd", "", "OK", "timeout"}
		s := &stub{answer: func(n int, _ *http.Request) (*http.Response, error) {
			return refusing(400, answers[n%len(answers)]), nil
		}}
		c := newTest(t, s)
		for _, q := range []call{reportCall("Get", aPack), listCall("ca-1", 1)} {
			for range answers {
				if _, err := c.try(t.Context(), q, marked); err == nil {
					t.Error("no error")
				}
			}
		}
		if got, want := testutil.CollectAndCount(c.metrics.requests), 7*len(codes()); got != want {
			t.Errorf("%d series, want %d", got, want)
		}
		for code, want := range map[string]float64{"other": 4, "Throttling": 1, "Forbidden": 1, "InvalidSecurityToken": 1, "OK": 0, "timeout": 0} {
			if got := testutil.ToFloat64(c.metrics.requests.WithLabelValues("GetCompliancePackReport", code)); got != want {
				t.Errorf("%s: counted %v, want %v", code, got, want)
			}
		}
	})
}
