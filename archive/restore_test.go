package archive_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// TestRestore: the archive is in the folder as in a local sink, nothing else; what is there
// already is not read again; and each copy that is not as it should be is named, while
// another one takes its place.
func TestRestore(t *testing.T) {
	t.Parallel()
	type harm func(t *testing.T, p *pair) error
	for name, c := range map[string]struct {
		harm     harm
		selected archive.Selection
		problems []string // kind, sink and a part of the detail
		ledger   []string // where there is a ledger, if that is something else
		lacks    int      // objects of the eight that the folder does not get
	}{
		"whole": {nil, archive.Selection{}, nil, nil, 0},
		"from one sink": {func(t *testing.T, p *pair) error {
			return os.Remove(filepath.Join(p.b, p.report(t, p.slots[0])))
		}, archive.Selection{Sinks: []string{"a"}}, nil, nil, 0},
		"from the other": {func(t *testing.T, p *pair) error {
			return os.Remove(filepath.Join(p.b, p.report(t, p.slots[0])))
		}, archive.Selection{Sinks: []string{"b"}}, []string{"missing  no sink has it as its manifest says"}, nil, 2},
		"a report altered": {func(t *testing.T, p *pair) error {
			return rewrite(filepath.Join(p.a, p.report(t, p.slots[0])), "altered")
		}, archive.Selection{}, []string{"altered a is not what its manifest says"}, nil, 0},
		"a report removed": {func(t *testing.T, p *pair) error {
			return os.Remove(filepath.Join(p.a, p.report(t, p.slots[0])))
		}, archive.Selection{}, nil, nil, 0},
		"a manifest altered": {func(_ *testing.T, p *pair) error {
			return rewrite(filepath.Join(p.a, p.slots[1].ManifestKey()), "altered")
		}, archive.Selection{}, []string{"malformed a decoding a record"}, nil, 0},
		"an acknowledgement altered": {func(_ *testing.T, p *pair) error {
			return errors.Join(rewrite(filepath.Join(p.a, p.ack), "altered"), rewrite(filepath.Join(p.b, p.ack), "altered"))
		}, archive.Selection{}, []string{"malformed a decoding a record"}, nil, 1},
		"a slot removed everywhere": {func(t *testing.T, p *pair) error {
			key := p.report(t, p.slots[0])
			var err error
			for _, dir := range []string{p.a, p.b} {
				err = errors.Join(err, os.Remove(filepath.Join(dir, key)), os.Remove(filepath.Join(dir, p.slots[0].ManifestKey())))
			}
			return err
		}, archive.Selection{}, nil, []string{"unarchived  the ledger has an entry of it"}, 2},
		"a gap record exchanged everywhere": {func(t *testing.T, p *pair) error {
			raw, err := evidence.Encode(evidence.NewGap(p.slots[2], fault.Paused, "by a thief", due(), "packseal/test"))
			return errors.Join(err, rewrite(filepath.Join(p.a, p.slots[2].GapKey()), string(raw)), rewrite(filepath.Join(p.b, p.slots[2].GapKey()), string(raw)))
		}, archive.Selection{}, nil, []string{"altered a the ledger has an entry of other bytes", "altered b the ledger has an entry of other bytes"}, 0},
		"a gap record that nobody logged": {func(t *testing.T, p *pair) error {
			s := slot("cp-1", due().Add(-50*time.Hour))
			raw, err := evidence.Encode(evidence.NewGap(s, fault.Missed, "", due(), "packseal/test"))
			return errors.Join(err, p.sinks[1].Put(t.Context(), s.GapKey(), sink.Bytes(raw)))
		}, archive.Selection{}, nil, []string{"unlogged b the ledger has no entry of it"}, -1},
		"one slot": {nil, archive.Selection{Packs: []archive.Span{{PackRef: evidence.Ref("prod", "cp-1"), From: due().Add(-30 * time.Minute)}}}, nil, nil, 5},
	} {
		for _, withLedger := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, ledger %t", name, withLedger), func(t *testing.T) {
				t.Parallel()
				p := newPair(t, withLedger)
				whole := files(t, p.a)
				if c.harm != nil {
					if err := c.harm(t, p); err != nil {
						t.Fatal(err)
					}
				}
				want, lacks := c.problems, c.lacks
				if withLedger {
					lacks++ // the plan, which is the ledger's
					if c.ledger != nil {
						want = c.ledger
					}
				}
				dir := filepath.Join(t.TempDir(), "restored")
				o := archive.Restore{Selection: c.selected, To: folder(t, "folder", dir), Entries: p.Entries}
				r, err := p.Restore(t.Context(), o)
				if got := problemsOf(r.Problems); err != nil || !matches(got, want) {
					t.Errorf("problems %q, %v; want %q", got, err, want)
				}
				got := files(t, dir)
				exchanged := strings.Contains(name, "exchanged")
				if exchanged && withLedger {
					lacks++
				}
				if len(got) != len(whole)-lacks || r.Objects != len(got) {
					t.Errorf("%d objects are in the folder, %d were counted, want %d", len(got), r.Objects, len(whole)-lacks)
				}
				for key, is := range got {
					if was, ok := whole[key]; ok && is != was && !exchanged {
						t.Errorf("%s is not what it was", key)
					}
				}
				again, err := p.Restore(t.Context(), o)
				if err != nil || again.Copied != 0 || again.Objects != r.Objects || !maps.Equal(files(t, dir), got) {
					t.Errorf("again: %+v, %v", again, err)
				}
			})
		}
	}
}

// TestRestoreReplacesNothing: other files in the folder stay, and are named.
func TestRestoreReplacesNothing(t *testing.T) {
	t.Parallel()
	p := newPair(t, false)
	dir := t.TempDir()
	for _, key := range []string{p.report(t, p.slots[0]), p.slots[1].ManifestKey(), p.slots[2].GapKey()} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, key)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, key), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := p.Restore(t.Context(), archive.Restore{To: folder(t, "folder", dir)})
	if got := problemsOf(r.Problems); err != nil || !matches(got, []string{"altered folder stays as it is", "altered folder stays as it is", "altered folder stays as it is"}) {
		t.Errorf("%q, %v", got, err)
	}
	mine := 0
	for _, is := range files(t, dir) {
		if is == "mine" {
			mine++
		}
	}
	if _, err := os.Stat(filepath.Join(dir, p.slots[0].ManifestKey())); mine != 3 || err == nil {
		t.Errorf("%d files are as they were; of another report there is a manifest: %v", mine, err)
	}
}

// TestRestoreUnread: what a store does not let us read is an error at the end, and in the
// way of nothing else.
func TestRestoreUnread(t *testing.T) {
	t.Parallel()
	p := newPair(t, false)
	h := newRig(t, fetcher.Settings{}, nil, archive.Target{Name: "a", Sink: tiered{p.sinks[0].Sink, p.report(t, p.slots[0]), fault.NotRestored}})
	dir := t.TempDir()
	r, err := h.Restore(t.Context(), archive.Restore{To: folder(t, "folder", dir)})
	if fault.Of(err) != fault.NotRestored || r.Unread != 1 || r.Sealed != 1 || r.Gaps != 1 || len(files(t, dir)) != 6 {
		t.Errorf("%+v, %v; %d objects", r, err, len(files(t, dir)))
	}
	if _, err := h.Restore(t.Context(), archive.Restore{Selection: archive.Selection{Sinks: []string{"c"}}}); fault.Of(err) != fault.Request {
		t.Errorf("from a sink that is none: %v", err)
	}
}
