package daemon

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"packseal.example/internal/atomicfile"
	"packseal.example/internal/fault"
)

const (
	aliveEvery = 30 * time.Second // how often the record says that the daemon runs
	aliveSlack = 10 * time.Second // how late that may be on a busy machine
	aliveMost  = 500              // intervals that are kept
)

// alive is the durable record of when the daemon ran, state_dir/alive.json: a slot
// is said to have been missed because the daemon did not run only with this proof.
type alive struct {
	path   string
	shared bool // with replicas that share the queue, of which it says nothing

	mu   sync.Mutex
	runs []ran // the last is this process's
}

// ran is a time in which the daemon ran.
type ran struct {
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`             // when that was last known
	Stopped bool      `json:"stopped,omitempty"` // it ended then
}

// openAlive reads the record and begins an interval. A record that can't be read
// is begun anew: nothing is known of before.
func openAlive(stateDir string, shared bool) *alive {
	a := &alive{path: filepath.Join(stateDir, "alive.json"), shared: shared}
	if b, err := os.ReadFile(a.path); err == nil && json.Unmarshal(b, &a.runs) != nil {
		a.runs = nil
	}
	now := time.Now().UTC()
	a.runs = append(a.runs, ran{From: now, Until: now})
	return a
}

// save writes the record.
func (a *alive) save() error {
	a.runs = a.runs[max(0, len(a.runs)-aliveMost):]
	b, err := json.Marshal(a.runs)
	if err != nil {
		return err
	}
	return atomicfile.Write(a.path, b, 0o640)
}

// beat records that the daemon runs. Where that was not said for longer than is
// usual, as when the machine was suspended, another interval begins.
func (a *alive) beat(now time.Time, stopped bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := &a.runs[len(a.runs)-1]
	if ago := now.Sub(last.Until); ago < 0 || ago > aliveEvery+aliveSlack {
		a.runs = append(a.runs, ran{From: now})
		last = &a.runs[len(a.runs)-1]
	}
	last.Until, last.Stopped = now, stopped
	return a.save()
}

// run keeps the record until ctx ends.
func (a *alive) run(ctx context.Context, log *slog.Logger) error {
	for stopped := false; ; stopped = !fault.Sleep(ctx, aliveEvery) {
		if err := a.beat(time.Now().UTC().Round(0), stopped); err != nil {
			log.WarnContext(ctx, "sign of life not recorded", "reason", fault.Of(err), "err", err)
		}
		if stopped {
			return nil
		}
	}
}

// at reports whether the daemon ran then, and whether that is known.
func (a *alive) at(t time.Time) (running, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.runs {
		end := r.Until
		if !r.Stopped {
			end = end.Add(aliveEvery + aliveSlack) // it may have gone on for as long
		}
		switch {
		case t.Before(r.From) || t.After(end):
			known = known || t.After(end)
		case t.After(r.Until):
			return false, false
		default:
			return true, true
		}
	}
	return false, known
}

// missed is scheduler.Options.Missed.
func (a *alive) missed(due time.Time) (fault.Reason, string) {
	switch running, known := a.at(due); {
	case running:
		return fault.Absent, "no record was found, although the daemon was running when the slot fell due"
	case !known:
		return fault.Absent, "no record was found, and it is not known whether the daemon was running when the slot fell due"
	case a.shared:
		return fault.Absent, "no record was found; this replica was not running when the slot fell due"
	}
	return fault.Missed, "the daemon was not running when the slot fell due"
}
