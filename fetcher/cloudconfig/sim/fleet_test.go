package sim_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
)

func TestFleet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n      int
		faults []string
		want   int
	}{{150, nil, 150}, {0, []string{"all"}, len(sim.Faults())}, {5, []string{"cut", "good"}, 5}, {0, []string{"denied"}, 1}} {
		packs, err := sim.Fleet(c.n, c.faults)
		if err != nil || len(packs) != c.want {
			t.Fatalf("%d with %q: %d packs, %v", c.n, c.faults, len(packs), err)
		}
		if _, err := sim.New(sim.Options{AccessKeyID: "k", AccessKeySecret: "s", Packs: packs}); err != nil {
			t.Error(err)
		}
		for i, p := range packs {
			if want := c.faults; len(want) > 0 && want[0] != "all" && !strings.HasSuffix(p.Name, ", "+want[i%len(want)]) {
				t.Errorf("pack %d is %s", i, p.Name)
			}
		}
	}
	if _, err := sim.Fleet(1, []string{"good", "odd"}); err == nil || !strings.Contains(err.Error(), `"odd": choose from all, altered,`) {
		t.Errorf("an unknown fault: %v", err)
	}
}

func TestLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := sim.New(sim.Options{AccessKeyID: "k", AccessKeySecret: "s", Latency: 3 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/", "/report.xls"} {
			began := time.Now()
			s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
			if took := time.Since(began); took != 3*time.Second {
				t.Errorf("%s took %s", path, took)
			}
		}
	})
}
