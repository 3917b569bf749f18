package control

import (
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
