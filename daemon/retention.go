package daemon

import (
	"context"
	"iter"
	"maps"
	"sync"
	"time"

	"packseal.example/archive"
	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/retention"
	"packseal.example/config"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// pruner returns what removes old reports by a configuration, which has a ledger where
// it says how long they are kept.
func (c *components) pruner(o opening) (*retention.Pruner, error) {
	options := retention.Options{Archive: c.archive, Keep: c.cfg.Retention.Kept(), Tool: o.tool, Logger: o.logger}
	if c.ledger != nil {
		options.Ledger = c.ledger
	}
	return retention.New(options)
}

// OpenPruner opens what removes old reports, for one verb. It is safe beside a daemon.
func OpenPruner(ctx context.Context, cfg *config.Config, o ArchiveOptions) (*retention.Pruner, error) {
	c, open, err := o.open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return c.pruner(open)
}

// pruneOnSchedule removes old reports when the configuration in force says so, until
// ctx ends.
func (s *services) pruneOnSchedule(ctx context.Context) {
	s.onSchedule(ctx, (*config.Config).Pruning, func(r *runtime, due time.Time) {
		p, err := r.pruner(opening{tool: s.tool(), logger: s.Logger})
		if err == nil {
			_, err = p.Prune(ctx, 0)
		}
		if err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "reports not pruned", "due", due, "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
		}
	})
}

const (
	// retentionLook is how often the configuration in force is asked whether it has
	// another retention policy, or locks to be extended.
	retentionLook = time.Minute
	// retentionAgain is how long after a failure it is tried again.
	retentionAgain = time.Hour
)

// retain has the retention policy of the configuration in the ledger, and extends locks
// once a day, until ctx ends. Of replicas, the one with the lease does it.
func (s *services) retain(ctx context.Context) {
	var announced string
	var extended, failed time.Time
	for fault.Sleep(ctx, retentionLook) {
		r, now := s.runtime.Load(), time.Now()
		if !s.leads() || now.Sub(failed) < retentionAgain {
			continue
		}
		err := s.announce(ctx, r, &announced)
		if today := now.UTC().Truncate(24 * time.Hour); err == nil && today.After(extended) {
			if err = retention.Extend(ctx, r.archive.Sinks, r.cfg.Retention.Kept(), now, s.Logger); err == nil {
				extended = today
			}
		}
		if failed = (time.Time{}); err != nil && ctx.Err() == nil {
			failed = now
			s.Logger.WarnContext(ctx, "retention not kept up", "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
		}
	}
}

// announce logs the policy of a runtime, unless it is that which was logged last.
func (s *services) announce(ctx context.Context, r *runtime, last *string) error {
	if r.ledger == nil || r.cfg.Retention.Keep == "" {
		return nil
	}
	policy := r.ledger.key + r.cfg.Retention.Keep
	if policy == *last {
		return nil
	}
	p, err := r.pruner(opening{tool: s.tool(), logger: s.Logger})
	if err == nil {
		err = p.Announce(ctx)
	}
	if err == nil {
		*last = policy
	}
	return err
}

// marked yields records as the catalog has them, with those whose reports were pruned
// marked. What the ledger does not say at present is not marked.
func (s *services) marked(ctx context.Context, records iter.Seq2[evidence.Record, error]) iter.Seq2[evidence.Record, error] {
	known := s.runtime.Load().archive.Pruned
	if known == nil {
		return records
	}
	pruned, err := known(ctx)
	if err != nil || len(pruned) == 0 {
		return records
	}
	return func(yield func(evidence.Record, error) bool) {
		for r, err := range records {
			r.Pruned = r.SHA256 != "" && pruned[r.Object] == r.SHA256
			if !yield(r, err) {
				return
			}
		}
	}
}

// prunedReports remembers what the ledger says was pruned, which plans it has, and how far
// it was read.
type prunedReports struct {
	mu    sync.Mutex
	seen  tree.Edge
	all   map[string]string // nil = not read yet; others read it, too
	plans map[string]bool   // their keys; others read it, too
}

// prunedIn returns what says which reports were pruned, by the ledger that this process
// follows: stored, as long as it has not followed it to its end.
func (l *openLedger) prunedIn(stored func(context.Context) (map[string]string, error)) func(context.Context) (map[string]string, error) {
	return func(ctx context.Context) (map[string]string, error) {
		if l.Status().Committed.IsZero() {
			return stored(ctx)
		}
		pruned, _, err := l.known(ctx)
		return pruned, err
	}
}

// loggedPlans returns the keys of the plans that the ledger has entries of, now.
func (l *openLedger) loggedPlans(ctx context.Context) (map[string]bool, error) {
	if err := ledger.Patiently(ctx, l.Commit); err != nil {
		return nil, err
	}
	_, plans, err := l.known(ctx)
	return plans, err
}

// known returns which reports were pruned, and the keys of plans, by the entries up to the
// last commit. The maps must not be changed.
func (l *openLedger) known(ctx context.Context) (pruned map[string]string, plans map[string]bool, err error) {
	p := &l.pruned
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all != nil && l.Status().Checkpoint.Size == p.seen.Size {
		return p.all, p.plans, nil
	}
	seen, plans := p.seen.Add(nil), make(map[string]bool)
	pruned, err = retention.Pruned(following(l.After(ctx, p.seen), &seen, plans))
	if err != nil {
		return nil, nil, err
	}
	p.seen, p.all, p.plans = seen, joined(p.all, pruned), joined(p.plans, plans)
	return p.all, p.plans, nil
}

// joined returns both maps in one, which is a new one if there is more.
func joined[M ~map[string]V, V any](all, more M) M {
	if all != nil && len(more) == 0 {
		return all
	}
	maps.Copy(more, all)
	return more
}

// following notes in an edge which entries were yielded, and the keys of plans.
func following(entries iter.Seq2[tree.Entry, error], edge *tree.Edge, plans map[string]bool) iter.Seq2[tree.Entry, error] {
	return func(yield func(tree.Entry, error) bool) {
		for e, err := range entries {
			if err == nil {
				edge.Append(e.Leaf())
				if e.Kind() == tree.Plan {
					plans[e.Key] = true
				}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// prunedInView returns what the ledger says was pruned, for a process that does not
// follow it. It is read once.
func prunedInView(v *ledgerView) func(context.Context) (map[string]string, error) {
	var p prunedReports
	return func(ctx context.Context) (all map[string]string, err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.all == nil {
			p.all, err = retention.Pruned(v.entries(ctx))
		}
		return p.all, err
	}
}

// prunedUnasked says that nothing was pruned of a copy of an archive that holds no
// ledger; of another one it is not known.
func prunedUnasked(sinks []archive.Target) func(context.Context) (map[string]string, error) {
	return func(ctx context.Context) (map[string]string, error) { return nil, unasked(ctx, sinks) }
}
