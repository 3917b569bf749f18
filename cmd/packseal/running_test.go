package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"sync"
	"testing"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
	"packseal.example/web"
)

// running is packseal run in this process.
type running struct {
	url  string
	log  lab.Buffer
	stop func() // ends it and waits until it has
}

// startRun runs the daemon of a configuration file until stop is called or the
// test ends.
func startRun(t testing.TB, path string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := new(running)
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"run", "--config", path}, io.Discard, &r.log) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("packseal run ended with %d: %s", code, r.log.String())
		}
	})
	t.Cleanup(r.stop)
	page := regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	lab.Eventually(t, "the page is served", func() bool {
		r.url = page.FindString(r.log.String())
		return r.url != ""
	})
	return r
}

// get reads a page of the daemon's.
func (r *running) get(t testing.TB, path string) string {
	t.Helper()
	resp, err := http.Get(r.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// packs returns what the page shows of each pack.
func (r *running) packs(t testing.TB) map[string]web.Pack {
	t.Helper()
	var list struct{ Packs []web.Pack }
	if err := json.Unmarshal([]byte(r.get(t, "/api/v1/packs")), &list); err != nil {
		t.Fatal(err)
	}
	packs := make(map[string]web.Pack)
	for _, p := range list.Packs {
		packs[p.Source+"/"+p.Key] = p
	}
	return packs
}

// sealed returns how many of the pack's slots the page counts as sealed.
func (r *running) sealed(t testing.TB, pack string) int {
	t.Helper()
	if p := r.packs(t)[pack]; p.Counts != nil {
		return p.Sealed
	}
	return 0
}

// settled waits until every pack has a slot settled.
func (r *running) settled(t testing.TB) {
	t.Helper()
	lab.Eventually(t, "a slot of each pack is settled", func() bool {
		all := r.packs(t)
		for _, p := range all {
			if p.Counts == nil || p.Sealed+p.Gaps == 0 {
				return false
			}
		}
		return len(all) > 0
	})
}

// simulate serves the packs of lab, whose reports are made in an instant; of
// the second one an old report exists.
func simulate(t testing.TB) (*sim.Server, string) {
	t.Helper()
	return lab.Simulate(t, sim.Pack{ID: lab.Pack}, sim.Pack{ID: lab.Another, Script: sim.Script{Standing: 400 * 24 * 3600e9}})
}
