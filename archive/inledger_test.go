package archive_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// plant puts a gap record for a slot into a sink of a pair, past the ledger, and makes it
// as old as said.
func plant(t *testing.T, p *pair, dir string, s evidence.Slot, age time.Duration) {
	t.Helper()
	raw, err := evidence.Encode(evidence.NewGap(s, fault.Paused, "by a thief", due(), "packseal/test"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, s.GapKey())
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o750), os.WriteFile(file, raw, 0o600), os.Chtimes(file, time.Time{}, time.Now().Add(-age))); err != nil {
		t.Fatal(err)
	}
}

// TestVerifyLedger: records are held against the ledger's entries, in both directions, even
// where manifest and report agree with each other and all sinks with one another.
func TestVerifyLedger(t *testing.T) {
	t.Parallel()
	tomorrow, before := slot("cp-1", due().Add(24*time.Hour)), slot("cp-1", due().Add(-4*time.Hour))
	remove := func(p *pair, keys ...string) (err error) {
		for _, dir := range []string{p.a, p.b} {
			for _, key := range keys {
				err = errors.Join(err, os.Remove(filepath.Join(dir, key)))
			}
		}
		return err
	}
	for name, c := range map[string]struct {
		harm func(t *testing.T, p *pair) error
		s    archive.Selection
		want []string // kind, sink and a part of the detail
	}{
		"whole":                {func(*testing.T, *pair) error { return nil }, archive.Selection{}, nil},
		"a slot of tomorrow":   {func(t *testing.T, p *pair) error { plant(t, p, p.b, tomorrow, time.Minute); return nil }, archive.Selection{}, []string{"unlogged b before the slot fell due"}},
		"an old record":        {func(t *testing.T, p *pair) error { plant(t, p, p.b, before, 25*time.Minute); return nil }, archive.Selection{}, []string{"unlogged b no entry"}},
		"written just now":     {func(t *testing.T, p *pair) error { plant(t, p, p.b, before, time.Minute); return nil }, archive.Selection{}, nil},
		"of another period":    {func(t *testing.T, p *pair) error { plant(t, p, p.b, tomorrow, time.Hour); return nil }, archive.Selection{Packs: []archive.Span{{PackRef: tomorrow.Ref(), To: due().Add(time.Hour)}}}, nil},
		"in a sink left out":   {func(t *testing.T, p *pair) error { plant(t, p, p.b, tomorrow, time.Hour); return nil }, archive.Selection{Sinks: []string{"a"}}, nil},
		"a slot removed":       {func(t *testing.T, p *pair) error { return remove(p, p.slots[0].ManifestKey(), p.report(t, p.slots[0])) }, archive.Selection{}, []string{"unarchived  no sink has it"}},
		"of one sink":          {func(t *testing.T, p *pair) error { return remove(p, p.slots[0].ManifestKey(), p.report(t, p.slots[0])) }, archive.Selection{Sinks: []string{"a"}}, nil},
		"a gap record removed": {func(_ *testing.T, p *pair) error { return remove(p, p.slots[2].GapKey(), p.ack) }, archive.Selection{}, []string{"unarchived  no sink has it"}},
		"a gap record removed where a report came": {func(_ *testing.T, p *pair) error { return remove(p, p.slots[1].GapKey()) }, archive.Selection{}, []string{"unarchived  no sink has it"}},
		"a plan removed": {func(t *testing.T, p *pair) error {
			for key := range files(t, p.a) {
				if evidence.IsPlan(key) {
					return remove(p, key)
				}
			}
			return errors.New("there is no plan")
		}, archive.Selection{}, []string{"unarchived  no sink has it"}},
		"exchanged whole": {func(t *testing.T, p *pair) error {
			m, _, err := p.Manifest(t.Context(), p.slots[0])
			m.Tool = "thief/1"
			raw, err2 := evidence.Encode(m)
			for _, dir := range []string{p.a, p.b} {
				err = errors.Join(err, rewrite(filepath.Join(dir, m.Slot().ManifestKey()), string(raw)))
			}
			return errors.Join(err, err2)
		}, archive.Selection{}, []string{"altered a entry of other bytes", "altered b entry of other bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, true)
			if err := c.harm(t, p); err != nil {
				t.Fatal(err)
			}
			r, err := p.Verify(t.Context(), c.s)
			if got := problemsOf(r.Problems); err != nil || !matches(got, c.want) {
				t.Errorf("%q, want %q; %v", got, c.want, err)
			}
		})
	}
}

// TestVerifyAdopted: an archive that is older than its ledger is unlogged until it is
// adopted, and found ever after.
func TestVerifyAdopted(t *testing.T) {
	t.Parallel()
	p := newPair(t, false)
	l := openLedger(t, p.sinks)
	p.Entries, p.LogWithin = l.Entries, time.Nanosecond
	if err := l.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := p.verified(t); len(r.Problems) != 8 || slices.ContainsFunc(r.Problems, func(p archive.Problem) bool { return p.Kind != archive.Unlogged }) {
		t.Errorf("before: %+v", r.Problems)
	}
	if _, err := l.Adopt(t.Context(), ledger.Adoption{}); err != nil {
		t.Fatal(err)
	}
	if r := p.verified(t); len(r.Problems) > 0 {
		t.Errorf("after: %+v", r.Problems)
	}
}

// TestVerifyInspects: what is wrong with the ledger itself is among the problems, and a
// ledger that can't be read for one of these is no error beside it.
func TestVerifyInspects(t *testing.T) {
	t.Parallel()
	bad := errors.New("nothing leads to the tip")
	for _, kind := range []archive.Kind{archive.Forked, archive.RolledBack, archive.Void, archive.Unslated} {
		p := newPair(t, true)
		p.Inspect = func(context.Context) ([]archive.Problem, archive.Entries, error) {
			return []archive.Problem{{Kind: kind, Sink: "a", Key: tree.BatchKey(1), Detail: "so"}}, p.Entries, nil
		}
		if got := problemsOf(p.verified(t).Problems); !matches(got, []string{string(kind) + " a so"}) {
			t.Errorf("%q", got)
		}
		p.Entries = func(context.Context) iter.Seq2[tree.Entry, error] {
			return func(yield func(tree.Entry, error) bool) { yield(tree.Entry{}, bad) }
		}
		_, err := p.Verify(t.Context(), archive.Selection{})
		if stops := kind == archive.Forked || kind == archive.RolledBack; errors.Is(err, bad) == stops {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// BenchmarkVerifyLedger is what holding an archive against a ledger of ten years and 150
// packs adds to a verification.
func BenchmarkVerifyLedger(b *testing.B) {
	o := archive.Options{Sinks: []archive.Target{{Name: "a", Sink: sink.NewMemory()}, {Name: "b", Sink: sink.NewMemory()}}, Logger: slog.New(slog.DiscardHandler)}
	o.Entries = func(context.Context) iter.Seq2[tree.Entry, error] {
		return func(yield func(tree.Entry, error) bool) {
			for i := range 1_100_000 {
				s := evidence.Slot{Source: "prod", Pack: fmt.Sprintf("cp-%020d", i%150), Due: time.Unix(int64(i/150)*86400, 0).UTC()}
				if !yield(tree.Entry{Key: s.ManifestKey()}, nil) {
					return
				}
			}
		}
	}
	a, err := archive.New(o)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Verify(b.Context(), archive.Selection{Sinks: []string{"a"}}); err != nil {
			b.Fatal(err)
		}
	}
}
