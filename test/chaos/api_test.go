//go:build chaos

package chaos

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// TestAPITrouble breaks the whole API, downloads included, and repairs it: the
// slots are sealed then.
func TestAPITrouble(t *testing.T) {
	t.Parallel()
	answer := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	for name, broken := range map[string]http.HandlerFunc{
		"throttled": answer(400, "application/json", `{"Code":"Throttling.User","Message":"Request was denied due to user flow control.","RequestId":"r"}`),
		"5xx":       answer(503, "application/json", `{"Code":"ServiceUnavailable","Message":"The request has failed due to a temporary failure of the server.","RequestId":"r"}`),
		"HTML":      answer(502, "text/html", "<html><body>Bad Gateway</body></html>"),
		"HTML 200":  answer(200, "text/html", "<html><body>Please log in</body></html>"),
		"time-outs": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"resets":    func(w http.ResponseWriter, _ *http.Request) { cut(w) },
		"half an answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"RequestId":`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRig(t, twoPacks)
			w.broken.Store(&broken)
			w.configure(lab.Setup{Packs: []string{"cp-in-trouble", "cp-afterwards"}})
			p := w.start()
			p.complains()
			time.Sleep(lasts(t, name))
			if a := lab.ReadArchive(w.Path("archive")); len(a.Slots) > 0 {
				t.Errorf("slots end while the API is broken: %+v", a.Slots)
			}
			w.broken.Store(nil)
			p.settled(2, w.Path("archive"), w.Path("state"))
			p.ends()
		})
	}
}

// lasts is for how long: throttling and 5xx, which come as long spells, 40 s as
// a rule and minutes with more PACKSEAL_ROUNDS.
func lasts(t *testing.T, name string) time.Duration {
	t.Helper()
	if name == "throttled" || name == "5xx" {
		return time.Duration(rounds(t, 200)) * time.Second / 5
	}
	return 5 * time.Second
}

// TestReportNeverMade: a report that is never complete is a gap at the slot's
// deadline, and only this one.
func TestReportNeverMade(t *testing.T) {
	t.Parallel()
	w := newRig(t, []sim.Pack{{ID: "cp-never", Script: sim.Script{Never: true}}, {ID: "cp-good"}})
	w.configure(lab.Setup{Packs: []string{"cp-never, timeout: 4s", "cp-good"}})
	p := w.start()
	p.Eventually(lab.Patience, func() string {
		a := lab.ReadArchive(w.Path("archive"))
		for s, e := range a.Slots {
			if s.Pack == "cp-never" && e.Gap == "deadline" && a.Sealed() == 1 {
				return ""
			}
		}
		return fmt.Sprintf("%+v", a.Slots)
	})
	p.clears()
	p.ends()
}

// TestClockSkew: the clocks of API and daemon are 20 minutes apart, which the
// API refuses. The log says so, and calls are signed by the API's clock.
func TestClockSkew(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string]time.Duration{"behind": 20 * time.Minute, "ahead": -20 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRig(t, twoPacks)
			off, err := sim.New(sim.Options{AccessKeyID: lab.KeyID, AccessKeySecret: lab.KeySecret, Packs: twoPacks, Skew: skew})
			if err != nil {
				t.Fatal(err)
			}
			away := http.HandlerFunc(off.ServeHTTP)
			w.broken.Store(&away)
			w.configure(lab.Setup{Packs: []string{"cp-in-trouble", "cp-afterwards"}})
			p := w.start()
			p.Logs(lab.Patience, "how far the clock is off", func(r lab.Record) bool {
				seconds, ok := r.Fields["skew_seconds"].(float64)
				return ok && r.Level == "WARN" && (time.Duration(seconds*float64(time.Second))-skew).Abs() < time.Minute
			})
			p.settled(2, w.Path("archive"), w.Path("state"))
			p.ends()
		})
	}
}

// TestNetwork puts a bad network between daemon and API: latency, connections
// cut after some bytes, resets, and half-open ones that go silent.
func TestNetwork(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]network{
		"latency":   {latency: 300 * time.Millisecond},
		"cuts":      {most: func() int { return 2000 + rand.IntN(1_000_000) }},
		"resets":    {most: func() int { return rand.IntN(1_000_000) }, reset: true},
		"half-open": {most: func() int { return rand.IntN(1_000_000) }, silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRig(t, twoPacks)
			w.configure(lab.Setup{Endpoint: "http://" + n.start(t, w.HTTP.URL), Packs: []string{"cp-in-trouble", "cp-afterwards"}})
			p := w.start()
			p.settled(2, w.Path("archive"), w.Path("state"))
			p.ends()
		})
	}
}
