package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/config"
	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
)

// TestHangingChecks: a check that does not end is left behind, and those after
// it are made; one that ends when told to reports itself what it waited for.
func TestHangingChecks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		never := make(chan struct{})
		defer close(never)
		const timeout = 30 * time.Second
		began := time.Now()
		dead := do(t.Context(), check{name: "put", target: "sink nfs", run: func(context.Context) []diag.Result { <-never; return nil }}, timeout)
		if len(dead) != 1 || dead[0].Reason != fault.Deadline || dead[0].Target != "sink nfs" || time.Since(began) != timeout+linger {
			t.Errorf("after %s: %+v", time.Since(began), dead)
		}
		slow := do(t.Context(), check{name: "put", target: "sink nfs", run: func(ctx context.Context) []diag.Result {
			<-ctx.Done()
			return []diag.Result{diag.Fail("list", context.Cause(ctx))}
		}}, timeout)
		if len(slow) != 1 || slow[0].Check != "list" || !strings.Contains(slow[0].Detail, "no answer within 30s") {
			t.Errorf("got %+v", slow)
		}
	})
}

// TestInOrder: checks of packs are made side by side, the others alone, and all
// results come in the order of the checks.
func TestInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var checks []check
		var mu sync.Mutex
		now, most := 0, 0
		count := func(by int) int {
			mu.Lock()
			defer mu.Unlock()
			now += by
			most = max(most, now)
			return now
		}
		add := func(beside bool, takes time.Duration) {
			name := fmt.Sprint(len(checks))
			checks = append(checks, check{name: name, beside: beside, run: func(context.Context) []diag.Result {
				if count(1) > 1 && !beside {
					t.Errorf("check %s is made beside others", name)
				}
				time.Sleep(takes)
				count(-1)
				return []diag.Result{diag.OK(name, "")}
			}})
		}
		add(false, time.Second)
		for n := range 4 * besides {
			add(true, time.Duration(1000-n)*time.Millisecond)
		}
		add(false, time.Second)
		began, n := time.Now(), 0
		for results := range inOrder(t.Context(), checks, time.Minute) {
			if len(results) != 1 || results[0].Check != fmt.Sprint(n) {
				t.Errorf("result %d is %+v", n, results)
			}
			n++
		}
		if took := time.Since(began); n != len(checks) || most != besides || took > 6*time.Second {
			t.Errorf("%d of %d checks, %d at once, took %s", n, len(checks), most, took)
		}
	})
}

// TestSample: no more packs than there is time for, over all of them.
func TestSample(t *testing.T) {
	t.Parallel()
	packs := make([]config.Entry, 150)
	for i := range packs {
		packs[i].TimeZone = fmt.Sprint(i)
	}
	for perSecond, want := range map[float64]string{5: "30 0 145", 0.01: "1 0 0", 24.9: "149 0 148", 25: "150 0 149", 1e9: "150 0 149"} {
		s := sample(packs, perSecond, packsTime)
		if got := fmt.Sprint(len(s), " ", s[0].TimeZone, " ", s[len(s)-1].TimeZone); got != want {
			t.Errorf("at %g a second: %s, want %s", perSecond, got, want)
		}
	}
}

// TestAsked: the time is divided among the sources that are asked. Accounts are not,
// unless their packs are named, or all are wanted.
func TestAsked(t *testing.T) {
	t.Parallel()
	cfg, _, err := config.Parse("packseal.yaml", []byte(`
sources:
  prod: {cloudconfig: {endpoint: "https://config.cn-shanghai.aliyuncs.com"}, accounts: {role: packseal}, discover: {rules: [{}]}}
  test: {cloudconfig: {endpoint: "https://config.cn-shanghai.aliyuncs.com"}}
  off: {cloudconfig: {endpoint: "https://config.cn-shanghai.aliyuncs.com"}, enabled: false}
sinks: [{name: primary, local: {dir: archive}}]
packs: [{id: cp-1, source: prod.1001}, {id: cp-1, source: prod.1002}, {id: cp-1, source: test}, {id: cp-1, source: off}]
`))
	if err != nil {
		t.Fatal(err)
	}
	cfg = cfg.With(nil)
	packs := config.BySource(slices.Concat(cfg.Entries(), cfg.Disabled()))
	for name, c := range map[string]struct {
		options    Options
		everything bool
		generate   map[string][]config.Entry
		within     time.Duration
	}{
		"everything":          {Options{}, true, nil, packsTime},
		"all":                 {Options{All: true}, true, nil, packsTime / 3},
		"packs by name":       {Options{}, false, nil, packsTime / 3},
		"one to be generated": {Options{}, true, map[string][]config.Entry{"prod.1001": packs["prod.1001"]}, packsTime / 2},
	} {
		c.options.Config = cfg
		e := &examination{Options: c.options, everything: c.everything}
		if asks, within := e.asked(packs, c.generate); within != c.within || !asks("test") || asks("prod.1002") != (within == packsTime/3) {
			t.Errorf("%s: each has %s, want %s", name, within, c.within)
		}
	}
}
