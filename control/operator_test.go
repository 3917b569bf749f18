package control

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler/queue"
)

// TestStatusAndReload: what the daemon says of itself crosses as it is, and so
// does what is wrong with a configuration.
func TestStatusAndReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := &fixed{status: Status{
		Version: "1", PID: 7, Started: time.Unix(99, 0).UTC(), Trouble: NewProblem(fault.New(fault.NotReady, "starting").WithHint("wait")),
		Packs: map[string]int{"sealed": 2}, Next: &evidence.Slot{Source: "prod", Pack: "cp-1", Due: time.Unix(100, 0).UTC()},
		Pauses: []queue.Pause{{Source: "prod", Since: time.Unix(1, 0).UTC(), By: "alice", Why: "because"}}, Problems: map[string]int{"altered": 1},
		Down: []DownSink{{Sink: "oss", Since: time.Unix(2, 0).UTC(), Why: "no route"}}, Full: true,
	}}
	serve(t, dir, d)
	got, err := NewClient(dir).Status(t.Context())
	if diff := cmp.Diff(d.status, got); err != nil || diff != "" {
		t.Errorf("%v, -said +heard:\n%s", err, diff)
	}
	if err := NewClient(dir).Reload(t.Context()); err != nil {
		t.Error(err)
	}
	d.err = fault.New(fault.Request, "packs[0].id: missing").WithHint("name one")
	if err := NewClient(dir).Reload(t.Context()); fault.Of(err) != fault.Request || err.Error() != d.err.Error() || fault.Hint(err) != "name one" || d.reloads != 2 {
		t.Errorf("after %d reloads: %v", d.reloads, err)
	}
	if _, err := NewClient(t.TempDir()).Status(t.Context()); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("without a daemon: %v", err)
	}
}

// Packs implements [Operator].
func (f *fixed) Packs(_ context.Context, source string, refresh bool) ([]SourcePacks, error) {
	f.asked = Selection{Source: source}
	if refresh {
		f.reloads++
	}
	return f.packs, f.err
}

// TestPacks: what the daemon says of packs crosses as it is, listed anew or not.
func TestPacks(t *testing.T) {
	t.Parallel()
	dir, at := t.TempDir(), time.Unix(99, 0).UTC()
	d := &fixed{packs: []SourcePacks{{
		Source: "prod", Discovers: true, Tried: at, Listed: at,
		Troubles: []ListTrouble{{Problem: *NewProblem(fault.New(fault.NotReady, "being created")), Aggregator: "ca-1", Passing: true}},
		Packs: []FoundPack{{
			Source: "prod", ID: "cp-1", Aggregator: "ca-2", Name: "等保", Account: "12", Status: "ACTIVE", Risk: "high", Template: "ct-1", Tags: map[string]string{"env": "prod"},
			State: "kept", Rule: 2, Found: at, Missed: 1, Schedule: "@daily", TimeZone: "UTC", Labels: map[string]string{"a": "b"},
		}},
	}}}
	serve(t, dir, d)
	for _, refresh := range []bool{false, true} {
		got, err := NewClient(dir).Packs(t.Context(), "pr od", refresh)
		if diff := cmp.Diff(d.packs, got); err != nil || diff != "" || d.asked.Source != "pr od" || (d.reloads > 0) != refresh {
			t.Errorf("%v, asked for %q, -said +heard:\n%s", err, d.asked.Source, diff)
		}
	}
	d.err = fault.New(fault.NotFound, "no source").WithHint("name one")
	for _, refresh := range []bool{false, true} {
		if _, err := NewClient(dir).Packs(t.Context(), "", refresh); fault.Of(err) != fault.NotFound || fault.Hint(err) != "name one" {
			t.Errorf("refused: %v", err)
		}
	}
	if key := d.packs[0].Packs[0].Key(); key != "ca-2/cp-1" {
		t.Errorf("the key is %s", key)
	}
}
