package ledger

import (
	"cmp"
	"context"
	"errors"
	"time"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

// Waits are the entries that are owed, and of which no sink was seen to have the object: it
// was never stored, or can't be looked for. They are not logged, and not forgotten.
type Waits struct {
	Count int
	Since time.Time // when this process saw the first of them
	Key   string    // of that one
}

// ready returns the entries that are owed and whose objects a sink has, and notes which
// others wait.
func (c *commit) ready(ctx context.Context, owed []tree.Entry) (due []tree.Entry, err error) {
	waiting := make(map[tree.Entry]time.Time)
	for _, e := range owed {
		settled := c.owed.isSettled(e) || own(e) && (e.Kind() == tree.Void || e.Kind() == tree.Pruned)
		if !settled && c.owed.flies(e) {
			continue
		}
		if !settled {
			switch settled, err = c.stored(ctx, e); {
			case ctx.Err() != nil:
				return nil, err
			case errors.Is(err, errTaken):
				continue
			case err != nil: // others do not wait for it
				c.Logger.WarnContext(ctx, "ledger entry waits", "key", e.Key, "reason", fault.Of(err), "err", err)
			}
		}
		if settled {
			due = append(due, e)
		} else {
			waiting[e] = time.Now()
		}
	}
	c.wait(waiting)
	return due, nil
}

// wait notes which entries wait, and since when.
func (l *Ledger) wait(waiting map[tree.Entry]time.Time) {
	l.show.Lock()
	defer l.show.Unlock()
	w := Waits{Count: len(waiting)}
	for e := range waiting {
		if since, ok := l.waiting[e]; ok {
			waiting[e] = since
		}
		if at := waiting[e]; w.Key == "" || cmp.Or(at.Compare(w.Since), cmp.Compare(e.Key, w.Key)) < 0 {
			w.Since, w.Key = at, e.Key
		}
	}
	l.waiting, l.status.Waits = waiting, w
}
