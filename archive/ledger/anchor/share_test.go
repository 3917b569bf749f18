package anchor_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/anchor"
	"packseal.example/archive/ledger/slate"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/plans"
	"packseal.example/internal/evidence"
	"packseal.example/sink"
)

// TestShare: beside the evidence of 150 daily packs, the ledger's objects are few. A
// ledger with an authority and a witness is kept for eight days by what keeps ledgers, at
// the default interval; the last seven, within which the plan is logged anew once, tell of
// years.
func TestShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y2026()
		w := newWorld(t)
		w.sinks = []ledger.Target{{Name: "memory", Sink: sink.NewMemory()}}
		l := w.ledger()
		records := w.daily(l, 150)
		slates := slate.NewWriter(slate.Options{Ledger: l, Tool: "packseal/test", Logger: slog.New(slog.DiscardHandler), Plans: func(context.Context) (map[string]evidence.Plan, bool, error) {
			return maps.Clone(records), false, nil
		}})
		anchors := w.anchors(l, func(o *anchor.Options) { o.Stamps = o.Stamps[:1] })

		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = l.Run(ctx) })
		running.Go(func() { _ = slates.Run(ctx, func() bool { return true }) })
		running.Go(func() { anchors.Run(ctx) })
		defer running.Wait()
		defer stop()
		var before map[string]stored
		history, begin := plans.NewHistory(records, nil), time.Now()
		for day := range 8 {
			if day == 1 {
				before = w.objects()
			}
			from := begin.AddDate(0, 0, day)
			for slot := range history.Expected(from, from.AddDate(0, 0, 1)) {
				time.Sleep(time.Until(slot.Due.Add(time.Minute)))
				w.seal(l, slot)
			}
			time.Sleep(time.Until(from.AddDate(0, 0, 1)))
		}
		var evidenced, ledgers int64
		for folder, now := range w.objects() {
			n := now.objects - before[folder].objects
			if folder == "evidence" {
				evidenced = n
				continue
			}
			ledgers += n
			t.Logf("%s: %d a week, %.0f with %.1f MB in 10 years", folder, n, float64(n)*weeks, float64(now.bytes-before[folder].bytes)*weeks/1e6)
		}
		share := float64(ledgers) / float64(evidenced)
		t.Logf("the ledger: %d objects a week, %.0f in 10 years, %.2f %% of the evidence's", ledgers, float64(ledgers)*weeks, 100*share)
		if evidenced != 7*150*2 || share > 0.06 {
			t.Errorf("%d objects of the ledger are beside %d of the evidence", ledgers, evidenced)
		}
	})
}

// weeks are those of ten years.
const weeks = 3652.5 / 7

// daily puts packs into force that are due each day.
func (w *world) daily(l *ledger.Ledger, n int) map[string]evidence.Plan {
	w.t.Helper()
	var packs []evidence.PlannedPack
	for i := range n {
		packs = append(packs, evidence.PlannedPack{Pack: fmt.Sprintf("cp-%020d", i), Schedule: "0 2 * * *", Source: "prod", Zone: "Asia/Shanghai"})
	}
	plan, err := evidence.NewPlan(packs, time.Now(), "packseal/test")
	if err != nil {
		w.t.Fatal(err)
	}
	records := make(map[string]evidence.Plan)
	for _, p := range plan {
		key, _, err := p.Encode()
		if err == nil {
			err = l.LogRecord(w.t.Context(), p)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		records[key] = p
	}
	return records
}

// seal puts a report and its manifest after a while, so that those of a day are not in one
// batch.
func (w *world) seal(l *ledger.Ledger, s evidence.Slot) {
	w.t.Helper()
	time.Sleep(8 * time.Second) // 20 minutes for 150
	raw := []byte("manifest of " + s.ID())
	err := l.Log(tree.Of(s.ManifestKey(), raw), func() error {
		w.put(s.Dir()+"report-0.xls", "report")
		w.put(s.ManifestKey(), string(raw))
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// stored are objects of a kind.
type stored struct{ objects, bytes int64 }

// objects counts those of the first sink: the ledger's by their folders, and the
// evidence.
func (w *world) objects() map[string]stored {
	w.t.Helper()
	all := make(map[string]stored)
	for e, err := range w.sinks[0].List(context.Background(), "", "") {
		if err != nil {
			w.t.Fatal(err)
		}
		folder := "evidence"
		if rest, ok := strings.CutPrefix(e.Key, tree.Dir); ok {
			folder, _, _ = strings.Cut(rest, "/")
		}
		all[folder] = stored{all[folder].objects + 1, all[folder].bytes + e.Size}
	}
	return all
}
