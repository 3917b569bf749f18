package cloudconfig_test

import (
	"context"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
)

// An evaluation before a report: how many rules it is of, how long it is waited for,
// and that the report is fetched whatever comes of it.
func TestEvaluate(t *testing.T) {
	t.Parallel()
	const longest = 20 * time.Minute
	const rules = 5
	fails := func(call, code string) []sim.Failure {
		return []sim.Failure{{Call: call, Code: code, Times: 9999}}
	}
	for name, c := range map[string]struct {
		script      sim.Script
		aggregator  string
		want        evidence.Evaluated
		least, most time.Duration
		requested   int
	}{
		"good":                   {sim.Script{Evaluate: time.Minute}, "", evidence.Evaluated{Rules: 5, Of: rules}, 5 * time.Minute, 8 * time.Minute, 1},
		"of a group":             {sim.Script{Evaluate: time.Second}, "ca-1", evidence.Evaluated{Rules: 5, Of: rules}, 5 * time.Second, time.Minute, 1},
		"never ends for one":     {sim.Script{Stuck: 1}, "", evidence.Evaluated{Rules: 4, Of: rules}, longest, longest + time.Minute, 1},
		"fails for some":         {sim.Script{Broken: 2}, "", evidence.Evaluated{Rules: 3, Of: rules}, 0, time.Minute, 1},
		"some are not active":    {sim.Script{Inactive: 1}, "", evidence.Evaluated{Rules: 4, Of: rules}, 0, time.Minute, 1},
		"too slow":               {sim.Script{Evaluate: 9 * time.Minute}, "", evidence.Evaluated{Rules: 2, Of: rules}, longest, longest + time.Minute, 1},
		"may not be read":        {sim.Script{Failures: fails("GetCompliancePack", "NoPermission")}, "", evidence.Evaluated{}, 0, time.Minute, 0},
		"may not be requested":   {sim.Script{Failures: fails("StartConfigRuleEvaluation", "NoPermission")}, "", evidence.Evaluated{Of: rules}, 0, time.Minute, 0},
		"may not be looked at":   {sim.Script{Failures: fails("GetConfigRule", "NoPermission")}, "", evidence.Evaluated{Of: rules}, 0, time.Minute, 1},
		"can't be looked at":     {sim.Script{Failures: fails("GetConfigRule", "ServiceUnavailable")}, "", evidence.Evaluated{Of: rules}, 5 * time.Minute, longest + time.Minute, 1},
		"throttled":              {sim.Script{Failures: []sim.Failure{{Call: "GetConfigRule", Code: "Throttling.User", Times: 3}}}, "", evidence.Evaluated{Rules: 5, Of: rules}, 0, 2 * time.Minute, 1},
		"answer lost":            {sim.Script{Failures: []sim.Failure{{Call: "StartConfigRuleEvaluation", After: true}}}, "", evidence.Evaluated{Rules: 5, Of: rules}, 0, time.Minute, 1},
		"request lost":           {sim.Script{Failures: []sim.Failure{{Call: "StartConfigRuleEvaluation"}}}, "", evidence.Evaluated{Of: rules}, longest, longest + time.Minute, 0},
		"report in the meantime": {sim.Script{Evaluate: time.Minute, Make: time.Second}, "", evidence.Evaluated{Rules: 5, Of: rules}, 5 * time.Minute, 8 * time.Minute, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c.script.Rules = rules
				w := newWorld(t, sim.Pack{ID: "cp-1", Aggregator: c.aggregator, Script: c.script}, 0)
				w.evaluate = longest
				if c.script.Make > 0 {
					time.AfterFunc(time.Minute, func() { w.Touch("cp-1") })
				}
				start := time.Now()
				r, err := w.run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				w.check(t, r)
				if took := time.Since(start); took < c.least || took > c.most {
					t.Errorf("took %s", took)
				}
				if r.Evaluated == nil || *r.Evaluated != c.want {
					t.Errorf("evaluated %+v, want %+v", r.Evaluated, c.want)
				}
				if n := w.Evaluations(w.pack.Key()); n != c.requested || w.Made(w.pack.Key()) != 1 {
					t.Errorf("%d evaluations and %d reports were requested", n, w.Made(w.pack.Key()))
				}
				if r.Created.Sub(start) < c.least {
					t.Errorf("the report is of %s, before the evaluation has ended", r.Created)
				}
			})
		})
	}
}

// An evaluation is requested once, however often processes are restarted or killed,
// and takes no more than half of the time that is left for the slot.
func TestEvaluateOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Pack{ID: "cp-1", Script: sim.Script{Evaluate: time.Minute, Rules: 3}}, 0)
		w.evaluate = time.Hour
		left := t.TempDir() // the spool at the time of a kill
		w.served = func(r *http.Request) {
			if r.Header.Get("X-Acs-Action") == "StartConfigRuleEvaluation" {
				w.served = nil
				if err := os.CopyFS(left, os.DirFS(w.dir)); err != nil {
					t.Error(err)
				}
			}
		}
		for life := range 5 {
			ctx, stop := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Second, stop)
			if _, err := w.run(ctx); err == nil {
				t.Error("a report before the end")
			}
			stop()
			if life == 0 {
				w.dir = left
			}
		}
		r, err := w.run(t.Context())
		if err != nil || r.Evaluated == nil || *r.Evaluated != (evidence.Evaluated{Rules: 3, Of: 3}) || w.Evaluations("cp-1") != 1 {
			t.Errorf("%v, %+v, %d evaluations", err, r.Evaluated, w.Evaluations("cp-1"))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Pack{ID: "cp-1", Script: sim.Script{Evaluate: time.Hour, Make: 20 * time.Minute}}, 0)
		w.evaluate = 50 * time.Minute
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		if r, err := w.run(ctx); err != nil || r.Evaluated == nil || r.Evaluated.Rules != 0 {
			t.Errorf("got %+v, %v", r.Evaluated, err)
		}
	})
}
