package queue

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/fault"
)

// Pause says that no work is begun on a pack, or on a whole source, in any
// replica. Their slots go on falling due and wait in the queue.
type Pause struct {
	Source string    `json:"source"`
	Pack   string    `json:"pack,omitempty"` // its key; empty = the whole source
	Since  time.Time `json:"since"`
	By     string    `json:"by"`
	Why    string    `json:"why"`
}

// String says it in words; it is the detail of a gap that came of it.
func (p Pause) String() string {
	what := "source " + p.Source
	if p.Pack != "" {
		what = "pack " + p.Source + "/" + p.Pack
	}
	return fmt.Sprintf("%s is paused since %s by %s: %s", what, p.Since.UTC().Format(time.RFC3339), p.By, p.Why)
}

// name is what the pause is found by: the end of a slot's subject, or the
// source's part of that.
func (p Pause) name() string { return pauseName(p.Source, p.Pack) }

func pauseName(source, pack string) string {
	if pack == "" {
		return token(source)
	}
	return token(source) + "." + token(pack)
}

// openPauses reads what is paused before anything is worked on, and lets this
// replica follow the others.
func (q *JetStream) openPauses(ctx, attending context.Context, o Options) error {
	q.pauses = newPauses(q.engine)
	q.book = &book{prefix: q.engine.prefix, trouble: o.Trouble, slots: make(map[string]*note)}
	if q.book.trouble == nil {
		q.book.trouble = func(string, string) string { return "" }
	}
	for _, source := range o.Sources {
		err := o.Registerer.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "packseal_paused", ConstLabels: prometheus.Labels{"source": source},
			Help: "Pauses in force: of the source, or of packs of it, by packseal queue pause.",
		}, func() float64 { _, n, _ := q.pauses.source(source); return float64(n) }))
		if err != nil {
			return err
		}
	}
	if err := fault.Retry(ctx, 5, fault.Backoff{}, func() error { return q.pauses.load(ctx) }); err != nil {
		// To hold up all work for fear of a pause would be worse than to miss one.
		o.Logger.WarnContext(ctx, "what is paused is not known yet, and work begins", "err", err)
	}
	if !q.engine.spread {
		return nil
	}
	q.attending.Go(func() { q.pauses.follow(attending, o.Logger) })
	return q.attendOthers(attending)
}

// change changes what is paused, and has the other replicas look.
func (q *JetStream) change(ctx context.Context, edit func([]Pause) (_ []Pause, changed bool, err error)) error {
	if err := q.pauses.change(ctx, edit); err != nil {
		return err
	}
	if err := q.engine.conn.Publish(q.engine.prefix.changed(), nil); err != nil {
		q.log.DebugContext(ctx, "other replicas could not be told", "err", err)
	}
	return nil
}

// Pauses returns what is paused, by source and pack.
func (q *JetStream) Pauses() []Pause { return q.pauses.all() }

// Paused returns the pause that holds for the pack, if one does: that of its
// source before its own.
func (q *JetStream) Paused(source, pack string) (Pause, bool) {
	return q.pauses.of(q.engine.prefix.subject(source, pack))
}

// Pause pauses a source or a pack, in all replicas within seconds. What is at
// work is finished. One that is paused already stays as it is, and is returned
// with false.
func (q *JetStream) Pause(ctx context.Context, p Pause) (is Pause, added bool, err error) {
	err = q.change(ctx, func(all []Pause) ([]Pause, bool, error) {
		at := slices.IndexFunc(all, func(is Pause) bool { return is.name() == p.name() })
		switch {
		case at >= 0:
			is, added = all[at], false
			return all, false, nil
		case len(all) >= mostPauses:
			return nil, false, fault.New(fault.Request, "%d pauses are in force already", len(all)).WithHint("pause the source instead of its packs")
		}
		is, added = p, true
		return append(all, p), true, nil
	})
	return is, added, err
}

// Resume ends the pause of a source or a pack, and reports whether there was
// one. A pack of a paused source stays paused.
func (q *JetStream) Resume(ctx context.Context, source, pack string) (was bool, err error) {
	err = q.change(ctx, func(all []Pause) ([]Pause, bool, error) {
		rest := slices.DeleteFunc(slices.Clone(all), func(p Pause) bool { return p.name() == pauseName(source, pack) })
		was = len(rest) < len(all)
		return rest, was, nil
	})
	return was, err
}
