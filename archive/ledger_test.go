package archive_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/sink"
)

// openLedger opens a ledger in the sinks of an archive.
func openLedger(t *testing.T, sinks []archive.Target) *ledger.Ledger {
	t.Helper()
	const origin = "example.com/packseal/test"
	key, _, err := ledger.GenerateKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key.Reveal()), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := ledger.ReadKeys(secret.File(file), origin)
	if err != nil {
		t.Fatal(err)
	}
	o := ledger.Options{Origin: origin, Keys: keys, Dir: t.TempDir(), Tool: "packseal/test", Logger: slog.New(slog.DiscardHandler)}
	for _, s := range sinks {
		o.Sinks = append(o.Sinks, ledger.Target(s))
	}
	l, err := ledger.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// logged commits the ledger and returns the keys of its entries, after it has checked
// them against the first sink.
func logged(t *testing.T, l *ledger.Ledger, first sink.Sink) (keys []string) {
	t.Helper()
	if err := l.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l.Status().Batches == 0 {
		return nil
	}
	for e, err := range l.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		raw, err := sink.ReadAll(t.Context(), first, e.Object(), evidence.MaxRecord)
		if err != nil || tree.Of(e.Key, raw) != e {
			t.Errorf("%v is not what the sink has: %q, %v", e, raw, err)
		}
		keys = append(keys, e.Key)
	}
	slices.Sort(keys)
	return keys
}

// TestLogged: the ledger has every manifest, gap record and plan that was written
// here, and nothing else.
func TestLogged(t *testing.T) {
	t.Parallel()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: sink.NewMemory()}, archive.Target{Name: "b", Sink: sink.NewMemory()})
	l := openLedger(t, h.sinks)
	h.Ledger = l
	at := due()
	h.settle(t, at)
	gap := slot("cp-1", at.Add(-time.Hour))
	found := slot("cp-1", at.Add(-2*time.Hour))
	raw, err := evidence.Encode(evidence.NewGap(found, fault.Missed, "", at, "packseal/other"))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.sinks[0].Put(t.Context(), found.GapKey(), sink.Bytes(raw)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, s := range []evidence.Slot{gap, found} {
			if err := h.Gap(t.Context(), s, fault.Missed, ""); err != nil {
				t.Fatal(err)
			}
		}
		h.settle(t, at)
	}
	records, err := evidence.NewPlan([]evidence.PlannedPack{{Pack: "cp-1", Schedule: "0 2 * * *", Source: "prod", Zone: "UTC"}}, at, "packseal/test")
	if err != nil {
		t.Fatal(err)
	}
	plan, _, err := records[0].Encode()
	if err := errors.Join(err, h.PutPlan(t.Context(), records[0])); err != nil {
		t.Fatal(err)
	}
	want := []string{plan, gap.GapKey(), slot("cp-1", at).ManifestKey()}
	slices.Sort(want)
	if got := logged(t, l, h.sinks[0]); !slices.Equal(got, want) {
		t.Errorf("the ledger has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestLoggedOnce: of two archivers with one slot, the ledger has the record of the
// one that was first.
func TestLoggedOnce(t *testing.T) {
	t.Parallel()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	l := openLedger(t, h.sinks)
	at := due()
	other := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, h.sinks...)
	h.Ledger = before(l, func() { other.settle(t, at) })
	h.settle(t, at)
	if got := logged(t, l, h.sinks[0]); len(got) > 0 {
		t.Errorf("the ledger has %v, which another archiver wrote", got)
	}
	gap := slot("cp-1", at.Add(-time.Hour))
	h.Ledger = before(l, func() {
		if err := other.Gap(context.WithoutCancel(t.Context()), gap, fault.Paused, "other"); err != nil {
			t.Error(err)
		}
	})
	if err := h.Gap(t.Context(), gap, fault.Missed, ""); err != nil {
		t.Fatal(err)
	}
	if got := logged(t, l, h.sinks[0]); len(got) > 0 {
		t.Errorf("the ledger has %v, which another archiver wrote", got)
	}
}

// hooked is a ledger with something that happens between its note of an entry and
// what that is of.
type hooked struct {
	archive.Ledger
	then func()
}

func before(l archive.Ledger, then func()) hooked { return hooked{l, then} }

func (h hooked) Log(e tree.Entry, put func() error) error {
	return h.Ledger.Log(e, func() error { h.then(); return put() })
}

// unable is a ledger that can't make anything durable.
type unable struct{}

var errUnable = errors.New("no space left on device")

func (unable) Log(tree.Entry, func() error) error { return errUnable }

// TestUnlogged: while the ledger can't note what is owed, no manifest, gap record or
// plan is written to any sink; afterwards the same report is sealed.
func TestUnlogged(t *testing.T) {
	t.Parallel()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: sink.NewMemory()}, archive.Target{Name: "b", Sink: sink.NewMemory()})
	h.Ledger = unable{}
	at := due()
	if _, err := h.Seal(t.Context(), slot("cp-1", at), at.Add(time.Hour)); !errors.Is(err, errUnable) {
		t.Errorf("seal: %v", err)
	}
	if err := h.Gap(t.Context(), slot("cp-1", at.Add(-time.Hour)), fault.Missed, ""); !errors.Is(err, errUnable) {
		t.Errorf("gap: %v", err)
	}
	for _, s := range h.sinks {
		for e, err := range s.List(t.Context(), "", "") {
			t.Errorf("sink %s has %s, %v", s.Name, e.Key, err)
		}
	}
	l := openLedger(t, h.sinks)
	h.Ledger = l
	h.settle(t, at)
	if got := logged(t, l, h.sinks[0]); len(got) != 1 || !strings.HasSuffix(got[0], "/manifest.json") {
		t.Errorf("the ledger has %v", got)
	}
}
