package archive

import (
	"context"
	"errors"
	"slices"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/sink"
)

// Locked is what a verification saw of the locks in a sink whose configuration asks
// for them.
type Locked struct {
	Sink  string    `json:"sink"`
	Read  int       `json:"read"`           // objects whose lock was read
	Holds int       `json:"holds"`          // of these, under legal hold
	Ended int       `json:"ended"`          // of these, whose lock has ended: nothing but permissions keeps them
	Until time.Time `json:"until,omitzero"` // when the first lock ends, or has ended
}

// Left returns how many days the first lock lasts from a time on; 0 if it has ended.
func (l Locked) Left(now time.Time) float64 { return max(l.Until.Sub(now).Hours()/24, 0) }

// lockSlack is how much earlier than asked a lock may end: the clock of a store may
// differ so much from ours.
const lockSlack = 15 * time.Minute

// readLocks reads back the locks of a slot's report and manifest, of those that are
// listed.
func (v *verifying) readLocks(ctx context.Context, t Target, m evidence.Manifest, entries []sink.Entry) error {
	terms := sink.LockTermsOf(t.Sink)
	if terms.Days == 0 {
		return nil
	}
	for _, e := range entries {
		if e.Key != m.ReportKey() && e.Key != m.Slot().ManifestKey() {
			continue
		}
		lock, err := sink.ReadLock(ctx, t.Sink, e.Key)
		switch {
		case errors.Is(err, sink.ErrNotExist): // it was removed meanwhile
			continue
		case err != nil:
			return err
		case lock.Mode == "":
			v.report(t.Name, Unlocked, e.Key, "the store does not keep it from being removed: object_lock or bucket_worm asks for %d days", terms.Days)
		default:
			if fault := terms.Fault(lock, e.ModTime, lockSlack); fault != "" {
				v.report(t.Name, LockShort, e.Key, "%s", fault)
			}
		}
		v.count(t.Name, lock)
	}
	return nil
}

// count counts a lock that was read.
func (v *verifying) count(name string, lock sink.Lock) {
	v.mu.Lock()
	defer v.mu.Unlock()
	i := slices.IndexFunc(v.result.Locks, func(l Locked) bool { return l.Sink == name })
	if i < 0 {
		i, v.result.Locks = len(v.result.Locks), append(v.result.Locks, Locked{Sink: name})
	}
	l := &v.result.Locks[i]
	l.Read++
	if lock.Hold {
		l.Holds++
	}
	if lock.Mode == "" {
		return
	}
	if !lock.Holds(time.Now()) {
		l.Ended++
	}
	if l.Until.IsZero() || lock.Until.Before(l.Until) {
		l.Until = lock.Until
	}
}
