package daemon

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/fault"
	"packseal.example/test/lab"
)

// watched is an API that keeps an eye on its callers.
type watched struct {
	http.Handler
	open   chan struct{} // it answers no call before this is closed
	mu     sync.Mutex
	calls  map[string][]time.Time // when the calls of each name came, and under "" those of all
	making map[string]bool        // packs whose report was asked for and is not fetched yet
	most   int                    // such packs at once
}

// ServeHTTP takes note and lets the API answer.
func (a *watched) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	<-a.open
	a.mu.Lock()
	if r.URL.Path == "/" {
		for _, name := range []string{"", r.Header.Get("X-Acs-Action")} {
			a.calls[name] = append(a.calls[name], time.Now())
		}
	}
	if strings.HasPrefix(r.Header.Get("X-Acs-Action"), "Generate") {
		q, _ := url.ParseQuery(string(body))
		a.making[q.Get("CompliancePackId")] = true
		a.most = max(a.most, len(a.making))
	}
	a.mu.Unlock()
	a.Handler.ServeHTTP(w, r)
	a.mu.Lock()
	defer a.mu.Unlock()
	for pack := range a.making {
		if strings.Contains(r.URL.Path, "/"+pack+"/") {
			delete(a.making, pack)
		}
	}
}

// watch serves an API that keeps an eye on its callers.
func watch(t *testing.T, o sim.Options) (*watched, *httptest.Server) {
	t.Helper()
	o.AccessKeyID, o.AccessKeySecret = lab.KeyID, lab.KeySecret
	handler, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	api := &watched{Handler: handler, open: make(chan struct{}), calls: make(map[string][]time.Time), making: make(map[string]bool)}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return api, server
}

// count returns how many calls of a name came; "" is for all.
func (a *watched) count(name string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.calls[name])
}

// within returns the most calls of a name that came in a window of that length.
func (a *watched) within(name string, window time.Duration) (most int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := 0
	for last, at := range a.calls[name] {
		for at.Sub(a.calls[name][first]) >= window {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

// during returns how many reports are in the making at once during so many calls.
func (a *watched) during(t *testing.T, calls int) (most int) {
	t.Helper()
	a.mu.Lock()
	a.most = len(a.making)
	until := len(a.calls[""]) + calls
	a.mu.Unlock()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); fault.Sleep(t.Context(), 10*time.Millisecond) {
		a.mu.Lock()
		now, most := len(a.calls[""]), a.most
		a.mu.Unlock()
		if now >= until {
			return most
		}
	}
	t.Fatalf("not %d calls within a minute", calls)
	return 0
}

// TestReplicasKeepToTheBounds: what three daemons do together at the API is
// within the limits of one, also when one of them ends under way.
func TestReplicasKeepToTheBounds(t *testing.T) {
	t.Parallel()
	const perSecond, inFlight, packs = 15, 6, 36
	var o sim.Options
	var ids []string
	for i := range packs {
		ids = append(ids, fmt.Sprintf("cp-%020d", i))
		o.Packs = append(o.Packs, sim.Pack{ID: ids[i], Script: sim.Script{Make: time.Second / 2}})
	}
	api, server := watch(t, o)
	var all []*live
	setups := replicas(t, lab.Setup{Endpoint: server.URL, Packs: ids, Defaults: `schedule: "0 0 1 1 *", catch_up: 8784h, timeout: 5m`, Source: fmt.Sprintf("requests_per_second: %d, max_in_flight: %d, request_timeout: 5m", perSecond, inFlight)})
	for _, s := range setups {
		all = append(all, start(t, s.Write(t), io.Discard))
	}
	divided(t, all, inFlight/3)
	close(api.open)
	api.during(t, 60) // what was begun before there were three is finished first
	if most := api.during(t, 40); most > inFlight {
		t.Errorf("%d reports in the making at once", most)
	}
	all[2].stop()
	divided(t, all[:2], inFlight/2)
	sealed(t, setups[0].Archive, packs)
	// Each process may begin with a burst, of a second's calls at its part of
	// the rate then: the first with all of it, the others with less.
	const window = 5 * time.Second
	if n := api.within("", window); n > perSecond*5+2*perSecond {
		t.Errorf("%d calls in %s", n, window)
	}
}

// TestReplicasShareLimitsOfCalls: three daemons that discover the same packs make no more
// calls of a name in a minute than one may, one of them lists for all, and calls of
// other names go on meanwhile.
func TestReplicasShareLimitsOfCalls(t *testing.T) {
	t.Parallel()
	const perMinute, packs = 12, 36
	const limited, free = "GenerateCompliancePackReport", "GetCompliancePackReport"
	o := sim.Options{Quotas: map[string]sim.Quota{limited: {Calls: perMinute, Period: time.Minute}}}
	for i := range packs {
		o.Packs = append(o.Packs, prodPack(fmt.Sprintf("cp-%020d", i), ""))
	}
	api, server := watch(t, o)
	setups := replicas(t, lab.Setup{
		Endpoint: server.URL, Discover: `refresh: "@yearly", rules: [` + prodRule + "]", Defaults: `schedule: "0 0 1 1 *", catch_up: 8784h, timeout: 5m`,
		Source: fmt.Sprintf("requests_per_second: 300, max_in_flight: %d, request_timeout: 5m, calls_per_minute: {%s: %d}", packs, limited, perMinute),
	})
	var all []*live
	for _, s := range setups {
		all = append(all, start(t, s.Write(t), io.Discard))
	}
	divided(t, all, packs/3)
	close(api.open)
	lab.Eventually(t, "the limit is used", func() bool { return api.count(limited) >= perMinute })
	lab.Eventually(t, "the others have looked for an earlier report", func() bool { return api.count(free) >= packs })
	if n := api.within(limited, 50*time.Second); n > perMinute {
		t.Errorf("%d calls of %s in a minute, the limit is %d", n, limited, perMinute)
	}
	if n := api.count("ListCompliancePacks"); n != 1 {
		t.Errorf("%d listings", n)
	}
}

// divided waits until each of the daemons has so many places.
func divided(t *testing.T, all []*live, places int) {
	t.Helper()
	want := fmt.Sprintf("packseal_queue_places{source=\"prod\"} %d\n", places)
	for _, d := range all {
		lab.Eventually(t, "a replica has its places", func() bool { return strings.Contains(d.get(t, "/metrics"), want) })
	}
}
