package cloudconfig_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Each kind, undisturbed: what is fetched, and what is known of it.
func TestKinds(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		id        string // what the report's ID begins with
		ext       string
		container evidence.Container
		account   bool // it is known whose report it is
	}{
		"pack":            {"", "xls", evidence.OLE2, true},
		"rules":           {"crp-", "zip", evidence.Zip, true},
		"group's rules":   {"crp-", "zip", evidence.Zip, true},
		"template":        {"crtr-", "xls", evidence.OLE2, true},
		"inventory":       {"", "csv", evidence.CSV, false},
		"group inventory": {"", "csv", evidence.CSV, false},
	} {
		for _, standing := range []time.Duration{0, 24 * time.Hour} {
			t.Run(fmt.Sprint(name, standing), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					pack := kinds[name]
					pack.Script = sim.Script{Make: 40 * time.Second, Standing: standing}
					w := newWorld(t, pack, 0)
					r, err := w.run(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					w.check(t, r)
					if !strings.HasPrefix(r.ReportID, want.id) || (r.ReportID == "") != (want.id == "") || r.Ext() != want.ext || r.Container != want.container {
						t.Errorf("report %q, .%s, %s", r.ReportID, r.Ext(), r.Container)
					}
					if (r.Account != "") != want.account || r.Attached || len(r.Anomalies) > 0 || r.Baseline.IsZero() != (standing == 0 || want.id == "crp-") {
						t.Errorf("account %q, attached %t, anomalies %v, baseline %s", r.Account, r.Attached, r.Anomalies, r.Baseline)
					}
					if got := w.Made(pack.Key()); got != 1 {
						t.Errorf("%d reports were requested", got)
					}
				})
			})
		}
	}
}

// What can go wrong with a report, by kind: how many are requested in the end, and
// how long that takes.
func TestKindsFaults(t *testing.T) {
	t.Parallel()
	const staleAfter = 5 * time.Minute
	const now = time.Millisecond // they were as fast
	lost := func(f sim.Failure) func(*sim.Pack) {
		return func(p *sim.Pack) {
			of := f
			of.Call = generating(*p)
			p.Script.Failures = append(p.Script.Failures, of)
		}
	}
	for name, c := range map[string]struct {
		kinds  string
		change func(*sim.Pack)
		person time.Duration // how long ago somebody has requested a report when the slot falls due; 0 = nobody has
		made   int
		least  time.Duration
		most   time.Duration
		failed bool
	}{
		"answer lost":             {"template inventory", lost(sim.Failure{After: true}), 0, 1, 0, 2 * time.Minute, false},
		"answer lost in a proxy":  {"template inventory", lost(sim.Failure{After: true, Status: 502, Body: "<html>"}), 0, 1, 0, 2 * time.Minute, false},
		"answer is garbage":       {"template inventory", lost(sim.Failure{After: true, Body: "<html>"}), 0, 1, 0, 2 * time.Minute, false},
		"error after the fact":    {"template inventory", lost(sim.Failure{After: true, Code: "InternalError"}), 0, 1, 0, 2 * time.Minute, false},
		"answer lost, token":      {"pack rules", lost(sim.Failure{After: true}), 0, 1, 0, 2 * time.Minute, false},
		"request lost":            {"template inventory", lost(sim.Failure{}), 0, 1, staleAfter, 2 * staleAfter, false},
		"request lost, token":     {"pack rules", lost(sim.Failure{}), 0, 1, 0, 2 * time.Minute, false},
		"throttled":               {"pack rules template inventory", lost(sim.Failure{Code: "Throttling.User", Times: 3}), 0, 1, 0, 2 * time.Minute, false},
		"token is ignored":        {"rules", func(p *sim.Pack) { p.Script.NoReplay = true; lost(sim.Failure{After: true})(p) }, 0, 2, 0, 3 * time.Minute, false},
		"somebody was first":      {"rules inventory", nil, now, 1, 0, 3 * time.Minute, false},
		"somebody's is taken":     {"pack template", nil, now, 0, 0, 3 * time.Minute, false},
		"somebody's is too early": {"rules template inventory", nil, 30 * time.Second, 1, 0, 3 * time.Minute, false},
		"ends as FAILED":          {"template", func(p *sim.Pack) { p.Script.Ends = []string{"FAILED", "TIMEOUT"} }, 0, 3, 0, 10 * time.Minute, false},
		"always ends as TIMEOUT":  {"template", func(p *sim.Pack) { p.Script.Ends = strings.Split(strings.Repeat("TIMEOUT,", 99), ",") }, 0, 4, 0, 20 * time.Minute, true},
		"the one before FAILED":   {"template", func(p *sim.Pack) { p.Script.Standing = time.Hour; p.Script.Ends = nil }, 0, 1, 0, 2 * time.Minute, false},
		"none before, an error":   {"template inventory", func(p *sim.Pack) { p.Script.Unfound = "ReportNotExist" }, 0, 1, 0, 2 * time.Minute, false},
		"refused":                 {"pack rules template inventory", lost(sim.Failure{Code: "NoPermission", Times: 99}), 0, 0, 0, time.Minute, true},
	} {
		for kind := range strings.FieldsSeq(c.kinds) {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					pack := kinds[kind]
					pack.Script.Make = 40 * time.Second
					if c.change != nil {
						c.change(&pack)
					}
					w := newWorld(t, pack, 0)
					if c.person > 0 {
						w.Touch(pack.Key())
						time.Sleep(c.person)
					}
					if c.person > now {
						w.slot = w.slot.Ref().Slot(time.Now())
					}
					start := time.Now()
					r, err := w.run(t.Context())
					if took := time.Since(start); took < c.least || took > c.most {
						t.Errorf("took %s", took)
					}
					if got := w.Made(pack.Key()); got != c.made {
						t.Errorf("%d reports were requested, want %d", got, c.made)
					}
					if (err != nil) != c.failed {
						t.Fatalf("got %v", err)
					}
					if err == nil {
						w.check(t, r)
						return
					}
					if again, err2 := w.run(t.Context()); err2 == nil || w.Made(pack.Key()) != c.made {
						t.Errorf("after %v, the next process gets %v, %v", err, again, err2)
					}
				})
			})
		}
	}
}

// The report of all rules is accepted by its ID alone.
func TestRulesAreNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script sim.Script
		made   int
	}{
		"the latest is somebody's":           {sim.Script{}, 1},
		"old ones are forgotten":             {sim.Script{Forgets: true}, 2},
		"the latest is returned in any case": {sim.Script{Confuses: true}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pack := kinds["rules"]
				pack.Script = c.script
				pack.Script.Make = 30 * time.Second
				w := newWorld(t, pack, 0)
				ctx, stop := context.WithTimeout(t.Context(), 10*time.Second) // a restart, for long
				defer stop()
				if _, err := w.run(ctx); err == nil {
					t.Fatal("no error")
				}
				time.Sleep(time.Hour)
				w.Touch(pack.Key())
				time.Sleep(time.Minute)
				r, err := w.run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				w.check(t, r)
				if got := w.Made(pack.Key()); got != c.made {
					t.Errorf("%d reports were requested, want %d", got, c.made)
				}
			})
		})
	}
}

// A report of all rules that was made before the slot fell due, by the API's clock, is
// not that of the slot: the local clock was ahead.
func TestRulesTooEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pack := kinds["rules"]
		pack.Script.Make = time.Second
		w := newWorld(t, pack, 0)
		w.slot = w.slot.Ref().Slot(time.Now().Add(5 * time.Second))
		w.fetches(t, 2)
	})
}

// However often processes are restarted, calls fail and people request reports of
// their own: a report that was made for the slot is fetched, and no second one is
// requested.
func TestKindsRestarts(t *testing.T) {
	t.Parallel()
	for kind, pack := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(25) {
				synctest.Test(t, func(t *testing.T) { restarts(t, pack, seed) })
			}
		})
	}
}

func restarts(t *testing.T, pack sim.Pack, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	some := func(most time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(most))) }
	pack.Script = sim.Script{Make: time.Second + some(time.Minute), Standing: some(48 * time.Hour)}
	get := strings.Replace(generating(pack), "Generate", "Get", 1)
	for range rng.IntN(6) {
		f := sim.Failure{Call: []string{get, get, generating(pack)}[rng.IntN(3)], Code: []string{"", "ServiceUnavailable", "Throttling.User", "InternalError"}[rng.IntN(4)]}
		f.After = f.Code != "Throttling.User" && (f.Call != get || rng.IntN(2) == 0)
		pack.Script.Failures = append(pack.Script.Failures, f)
	}
	w := newWorld(t, pack, some(time.Second))
	ctx, stop := context.WithCancel(t.Context())
	var people sync.WaitGroup
	defer people.Wait()
	defer stop()
	people.Go(func() {
		for range rng.IntN(3) {
			if fault.Sleep(ctx, some(2*time.Minute)) {
				w.Touch(pack.Key())
			}
		}
	})
	lives := rand.New(rand.NewPCG(seed, 2))
	for life := 0; ; life++ {
		within, end := context.WithCancel(ctx)
		if life < 8 {
			end()
			within, end = context.WithTimeout(ctx, time.Duration(lives.Int64N(int64(20*time.Second))))
		}
		r, err := w.run(within)
		end()
		if err == nil {
			w.check(t, r)
			break
		}
		if life > 40 || !fault.Transient(err) && fault.Of(err) != fault.Deadline {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	if got := w.Made(pack.Key()); got > 1 {
		t.Errorf("seed %d: %d reports were requested", seed, got)
	}
}

// A process that is killed when its request has taken effect, before it has an answer,
// leaves enough behind for the next one to request no other.
func TestKindsCrash(t *testing.T) {
	t.Parallel()
	for kind, pack := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pack.Script.Make = 20 * time.Second
				w := newWorld(t, pack, 0)
				left := t.TempDir() // the spool at the time of the kill
				w.served = func(r *http.Request) {
					if r.Header.Get("X-Acs-Action") == generating(pack) {
						w.served = nil
						if err := os.CopyFS(left, os.DirFS(w.dir)); err != nil {
							t.Error(err)
						}
					}
				}
				if _, err := w.run(t.Context()); err != nil {
					t.Fatal(err)
				}
				w.dir = left
				w.fetches(t, 1)
			})
		})
	}
}

// Two replicas that both work on a slot get reports that were made for it; with a
// token it is the same one.
func TestKindsReplicas(t *testing.T) {
	t.Parallel()
	for kind, pack := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pack.Script.Make = 20 * time.Second
				w := newWorld(t, pack, 50*time.Millisecond)
				var all sync.WaitGroup
				for range 2 {
					replica := *w
					replica.dir = t.TempDir()
					all.Go(func() {
						r, err := replica.run(t.Context())
						if err != nil {
							t.Error(err)
							return
						}
						w.check(t, r)
					})
				}
				all.Wait()
				if made := w.Made(pack.Key()); made > 1 && (pack.ID == "rules" || pack.ID == "cp-1") {
					t.Errorf("%d reports were requested", made)
				}
			})
		})
	}
}
