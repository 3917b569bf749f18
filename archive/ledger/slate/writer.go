package slate

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"time"

	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/plans"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/period"
)

const (
	// Ahead is how far slates reach beyond now.
	Ahead = 25 * time.Hour

	// most is how many slates that are to come are written at once: with dense schedules
	// it takes several times until they reach that far. 48 of them hold a schedule of each
	// second for 28 hours.
	most = 48

	// lead is the window of the first slate, and of the first after downtime. What falls
	// due early in it may do so before the slate has a time-stamp; the slates after it
	// have theirs in time.
	lead = 2 * time.Hour

	// renewal is how old the record of the plan in force becomes at most, until the same
	// plan is recorded anew: the plan that was in force at some time then lies near to it
	// in the ledger, and so in a bundle of a short period.
	renewal = 7 * 24 * time.Hour

	// The time between two looks at whether slates are to be written.
	lookMost  = time.Hour
	lookLeast = time.Minute
)

// Ledger is what slates are logged in, as package ledger has it.
type Ledger interface {
	Commit(ctx context.Context) error // appends what is owed
	After(ctx context.Context, edge tree.Edge) iter.Seq2[tree.Entry, error]
	Reader
	LogRecord(ctx context.Context, r evidence.Named) error
}

// Options are what a Writer needs. All are required.
type Options struct {
	Ledger Ledger
	// Plans returns the records of plans that are in the archive, by their keys; whoever
	// put one there has had it logged. pending says that others are on their way there.
	Plans  func(context.Context) (records map[string]evidence.Plan, pending bool, err error)
	Tool   string // "packseal/<version>", for records
	Logger *slog.Logger
}

// Writer writes slates into a ledger. One replica writes for all. Should two do so at
// once, most slates are the same, and windows of others overlap: what is due in them is
// what any of them says.
type Writer struct {
	Options
	seen    tree.Edge                // of the entries that were looked at
	logged  map[string]bool          // keys of plans that the ledger has, or is about to have
	renewed map[string]evidence.Plan // records of plans that this writer made, by their keys
	lost    map[string]bool          // keys of slates that the ledger has, and no sink
	until   time.Time                // how far the slates reach; zero = there is none
	unsure  *evidence.Slate          // the next one, which may be in the ledger or not; nil = there is none
}

// NewWriter makes a Writer.
func NewWriter(o Options) *Writer {
	return &Writer{Options: o, logged: make(map[string]bool), renewed: make(map[string]evidence.Plan), lost: make(map[string]bool)}
}

// Run calls Write whenever it has to be, while this replica leads, until ctx ends.
func (w *Writer) Run(ctx context.Context, leads func() bool) error {
	for try := 0; ctx.Err() == nil; {
		wait := lookLeast
		if leads() {
			var err error
			if wait, err = w.Write(ctx); err == nil {
				try = 0
			} else if fault.Of(err) == fault.Busy { // a verb appends
				wait = time.Second
			} else if ctx.Err() == nil {
				w.Logger.WarnContext(ctx, "slates not logged", "until", w.until, "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
				wait = fault.Backoff{}.Wait(try, err)
				try++
			}
		}
		fault.Sleep(ctx, wait)
	}
	return nil
}

// Write logs the plan in force, if the ledger lacks it, and the slates that are to be
// written now, and returns how long to wait before it looks again. What fell due since
// the last slate ended gets one of its own, a late one. Calls must not overlap.
//
// Plans that the ledger lacks do not count, but for the one in force: whoever can write
// to a sink must not be able to say what is due.
func (w *Writer) Write(ctx context.Context) (wait time.Duration, err error) {
	records, pending, err := w.Plans(ctx)
	switch {
	case err != nil:
		return 0, fmt.Errorf("reading which plan is in force: %w", err)
	case pending:
		return time.Second, nil
	}
	if err := w.follow(ctx); err != nil { // after that, so that no plan is logged twice
		return 0, err
	}
	records = maps.Clone(records)
	maps.Copy(records, w.renewed)
	p, ok := plans.NewHistory(records, nil).At(time.Now())
	if !ok {
		return lookLeast, nil
	}
	before := w.until
	if w.outdated(p, records) {
		if p, err = w.renew(p); err != nil {
			return 0, err
		}
		maps.Copy(records, p.Records())
	}
	if err := w.logPlan(ctx, p); err != nil {
		return 0, err
	}
	maps.DeleteFunc(records, func(key string, _ evidence.Plan) bool { return !w.logged[key] })
	if err := w.write(ctx, plans.NewHistory(records, nil)); err != nil {
		return 0, err
	}
	if w.until.After(before) {
		w.Logger.InfoContext(ctx, "slates logged", "from", before, "until", w.until)
	}
	return min(max(time.Until(w.until)/2, lookLeast), lookMost), nil
}

// follow takes up what the ledger has got since.
func (w *Writer) follow(ctx context.Context) error {
	if err := w.Ledger.Commit(ctx); err != nil {
		return err
	}
	seen, logged := w.seen.Add(nil), maps.Clone(w.logged)
	var slates []tree.Entry
	for e, err := range w.Ledger.After(ctx, seen.Add(nil)) {
		if err != nil { // nothing of it is to be believed
			return fmt.Errorf("reading the ledger: %w", err)
		}
		seen.Append(e.Leaf())
		switch e.Kind() {
		case tree.Plan:
			logged[e.Key] = true
		case tree.Slate:
			slates = append(slates, e)
		}
	}
	until, err := w.reach(ctx, slates)
	if err == nil {
		w.seen, w.logged, w.until = seen, logged, until
	}
	return err
}

// reach returns how far slates reach, with more of them: the last one that can be read
// says so.
func (w *Writer) reach(ctx context.Context, more []tree.Entry) (time.Time, error) {
	end := func(e tree.Entry) time.Time { until, _ := evidence.SlateUntil(e.Key); return until }
	slices.SortStableFunc(more, func(a, b tree.Entry) int { return end(b).Compare(end(a)) })
	for _, e := range more {
		if !end(e).After(w.until) {
			break
		}
		_, err := read(ctx, w.Ledger, e)
		if err == nil {
			return end(e), nil
		}
		if !lost(err) {
			return time.Time{}, fmt.Errorf("reading how far slates reach: %w", err)
		}
		w.lost[e.Key] = true
		w.Logger.WarnContext(ctx, "slate not readable", "key", e.Key, "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
	}
	return w.until, nil
}

// outdated reports whether the plan in force is to be recorded anew. It is not while the
// ledger has a later one, which is not known here yet.
func (w *Writer) outdated(p plans.Plan, records map[string]evidence.Plan) bool {
	if time.Since(p.Since) < renewal {
		return false
	}
	last := slices.Max(slices.Collect(maps.Keys(p.Records())))
	for key := range w.logged {
		if _, known := records[key]; !known && key > last { // their times come first
			return false
		}
	}
	return true
}

// renew returns the same plan with records of its own. Whoever changes the plan now is
// not overridden: such a plan comes into force with the next second.
func (w *Writer) renew(p plans.Plan) (plans.Plan, error) {
	made, err := evidence.NewPlan(p.Packs, time.Now().Truncate(time.Second), w.Tool)
	if err != nil {
		return p, err
	}
	clear(w.renewed)
	for _, r := range made {
		key, _, err := r.Encode()
		if err != nil {
			return p, err
		}
		w.renewed[key] = r
	}
	return plans.NewHistory(maps.Clone(w.renewed), nil)[0], nil
}

// logPlan logs the records of a plan that the ledger lacks.
func (w *Writer) logPlan(ctx context.Context, p plans.Plan) error {
	records := p.Records()
	for _, key := range slices.Sorted(maps.Keys(records)) {
		if w.logged[key] {
			continue
		}
		if err := w.logRecord(ctx, records[key]); err != nil {
			return fmt.Errorf("logging the plan in force: %w", err)
		}
		w.logged[key] = true
	}
	return nil
}

// write logs slates until they reach far enough.
func (w *Writer) write(ctx context.Context, h plans.History) error {
	for ahead := 0; ahead < most && time.Until(w.until) < Ahead; {
		now := time.Now().UTC().Truncate(time.Second)
		from := w.until
		if from.IsZero() {
			from = now
		}
		from = period.Later(from, h[0].From.Add(-time.Second)) // of before that nothing is known
		until := now                                           // of a late one
		if !from.Before(now) {
			until = midnight(from)
			ahead++
		}
		if from.Equal(now) {
			until = period.Earlier(until, now.Add(lead))
		}
		if err := w.log(ctx, h, from, until); err != nil {
			return err
		}
	}
	return nil
}

// logTimeout is how long a record takes to be logged at most. Whoever is to end lets it:
// what is half done would be owed.
const logTimeout = 5 * time.Second

// logRecord logs a record.
func (w *Writer) logRecord(ctx context.Context, r evidence.Named) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logTimeout)
	defer cancel()
	return w.Ledger.LogRecord(ctx, r)
}

// midnight returns the next midnight, UTC. Slates end there, so that those of replicas
// that write at once are the same.
func midnight(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour) }

// log logs the next slate. Its key follows from it: if something else lies there, or a
// slate that was lost lay there, it ends a second earlier, and so has another key.
func (w *Writer) log(ctx context.Context, h plans.History, from, until time.Time) error {
	for {
		s, err := w.next(h, from, until)
		if err != nil {
			return err
		}
		key, _, err := s.Encode()
		if err == nil && w.lost[key] {
			err = fault.New(fault.Conflict, "%s is in the ledger, and in no sink", key)
		} else if err == nil {
			w.unsure = &s
			err = w.logRecord(ctx, s)
		}
		conflict := fault.Of(err) == fault.Conflict
		if err == nil || conflict {
			w.unsure = nil
		}
		if err == nil {
			w.until = s.Until
			return nil
		}
		if until = s.Until.Add(-time.Second); !conflict || !until.After(from) {
			return fmt.Errorf("logging a slate: %w", err)
		}
	}
}

// next returns the next slate: the one that may be in the ledger already, rather than
// another one of the same time.
func (w *Writer) next(h plans.History, from, until time.Time) (evidence.Slate, error) {
	if w.unsure != nil && w.unsure.Until.After(w.until) {
		return *w.unsure, nil
	}
	return Next(h, from, until, w.Tool)
}
