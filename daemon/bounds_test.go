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
	calls  []time.Time     // when each call of the API came
	making map[string]bool // packs whose report was asked for and is not fetched yet
	most   int             // such packs at once
}

// ServeHTTP takes note and lets the API answer.
func (a *watched) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	<-a.open
	a.mu.Lock()
	if r.URL.Path == "/" {
		a.calls = append(a.calls, time.Now())
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

// within returns the most calls that came in a window of that length.
func (a *watched) within(window time.Duration) (most int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := 0
	for last, at := range a.calls {
		for at.Sub(a.calls[first]) >= window {
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
	until := len(a.calls) + calls
	a.mu.Unlock()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); fault.Sleep(t.Context(), 10*time.Millisecond) {
		a.mu.Lock()
		now, most := len(a.calls), a.most
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
	o := sim.Options{AccessKeyID: lab.KeyID, AccessKeySecret: lab.KeySecret}
	var ids []string
	for i := range packs {
		ids = append(ids, fmt.Sprintf("cp-%020d", i))
		o.Packs = append(o.Packs, sim.Pack{ID: ids[i], Script: sim.Script{Make: time.Second / 2}})
	}
	handler, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	api := &watched{Handler: handler, open: make(chan struct{}), making: make(map[string]bool)}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
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
	if n := api.within(window); n > perSecond*5+2*perSecond {
		t.Errorf("%d calls in %s", n, window)
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
