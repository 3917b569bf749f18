// Package retention removes reports whose time is over, and nothing else: manifests,
// gap records, acknowledgements, plans and the ledger stay for ever. It also extends
// the locks of objects before they end.
//
// A report goes in this order. Wherever a crash interrupts it, the next run goes on:
//
//	ledger: policy   how long reports are kept from now on, in a batch of its own
//	ledger: pruned   the report's SHA-256 under packseal-ledger/pruned/<its key>
//	sinks:  removed  from one after another
//
// So a report that is missing without that entry was not removed by packseal, and
// the entry can't be had later than the removal. A report that has the entry and is
// still in some sink is removed there by the next run.
//
// The newest report of each pack stays, whatever its age, and so does what a sink
// keeps locked, or under legal hold. A run that finds more than the schedule explains
// removes nothing, see [Plan.Unexplained]: the clock may have jumped, or the policy
// may have been shortened by mistake.
package retention

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"packseal.example/archive"
	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Ledger is what retention needs of a ledger.Ledger.
type Ledger interface {
	Log(e tree.Entry, put func() error) error
	LogRecord(ctx context.Context, r ledger.Record) error
	Commit(ctx context.Context) error
	Entries(ctx context.Context) iter.Seq2[tree.Entry, error]
}

// Options are what a Pruner needs. All fields are required.
type Options struct {
	Archive *archive.Archive // for reading
	Ledger  Ledger
	Keep    evidence.Keep
	Tool    string // "packseal/<version>", for the policy
	Logger  *slog.Logger
}

// Pruner removes reports whose time is over.
type Pruner struct{ Options }

// New makes a Pruner. Without a ledger it is fault.Request: nobody could tell what
// was removed on purpose from what is lost.
func New(o Options) (*Pruner, error) {
	switch {
	case o.Ledger == nil:
		return nil, fault.New(fault.Request, "reports are pruned only where there is a ledger: without its entry, one that was removed can't be told from one that was lost").
			WithHint("configure ledger (docs/ledger.md)")
	case o.Keep == (evidence.Keep{}):
		return nil, fault.New(fault.Request, "how long reports are kept is not configured").WithHint("set retention.keep, such as 3y (docs/retention.md)")
	case o.Archive == nil || o.Tool == "" || o.Logger == nil:
		return nil, errors.New("retention: Archive, Tool and Logger are required")
	}
	return &Pruner{o}, nil
}

// commit appends what the ledger is owed, and follows it.
func (p *Pruner) commit(ctx context.Context) error {
	if err := ledger.Patiently(ctx, p.Ledger.Commit); err != nil {
		return fmt.Errorf("appending to the ledger: %w", err)
	}
	return nil
}

// logged is what the ledger says about retention.
type logged struct {
	policies []tree.Entry          // in order
	pruned   map[string]tree.Entry // by the report's key
	last     time.Time             // the latest due time of a pruned report
}

// read reads the ledger, to its end.
func (p *Pruner) read(ctx context.Context) (l logged, err error) {
	l.pruned = make(map[string]tree.Entry)
	if err := p.commit(ctx); err != nil {
		return l, err
	}
	for e, err := range p.Ledger.Entries(ctx) {
		if err != nil {
			return l, fmt.Errorf("reading the ledger: %w", err)
		}
		switch e.Kind() {
		case tree.Policy:
			l.policies = append(l.policies, e)
		case tree.Pruned:
			l.pruned[e.Object()] = e
			if s, _, ok := evidence.ParseKey(e.Object()); ok && s.Due.After(l.last) {
				l.last = s.Due
			}
		}
	}
	return l, nil
}

// policy returns the policy that the ledger has last, and since when what it says is
// in force, by those before it; the zero one = there is none.
func (p *Pruner) policy(ctx context.Context, l logged) (policy evidence.Policy, since time.Time, err error) {
	for i, e := range slices.Backward(l.policies) {
		before, err := p.readPolicy(ctx, e)
		if err != nil {
			return policy, since, err
		}
		if i == len(l.policies)-1 {
			policy = before
		}
		if before.Keep != policy.Keep {
			break
		}
		since = before.Since
	}
	return policy, since, nil
}

// readPolicy reads the policy that an entry is of.
func (p *Pruner) readPolicy(ctx context.Context, e tree.Entry) (policy evidence.Policy, err error) {
	var errs []error
	for _, t := range p.Archive.Sinks {
		raw, err := sink.ReadAll(ctx, t, e.Key, evidence.MaxRecord)
		if err == nil && tree.Of(e.Key, raw) != e {
			err = fault.New(fault.Damaged, "it is not the one that the ledger has")
		}
		if err == nil {
			policy, err = evidence.DecodePolicy(raw, e.Key)
		}
		if err == nil {
			return policy, nil
		}
		errs = append(errs, fmt.Errorf("reading the policy %s from sink %s: %w", e.Key, t.Name, err))
	}
	return policy, errors.Join(errs...)
}

// Announce logs the policy that is configured, unless it is in force already. It
// counts from its own place in the ledger on: nothing is removed by a policy that is
// not there yet.
func (p *Pruner) Announce(ctx context.Context) error {
	l, err := p.read(ctx)
	if err != nil {
		return err
	}
	return p.announce(ctx, l, false)
}

// renewal is how old the record of the policy in force is at most when reports are
// removed by it: it then lies near to their entries, and so in a bundle that has these.
const renewal = 7 * 24 * time.Hour

// announce logs the policy, unless it is in force already; if something is removed now,
// also if its record is old.
func (p *Pruner) announce(ctx context.Context, l logged, removes bool) error {
	policy, _, err := p.policy(ctx, l)
	if err != nil || policy.Keep == p.Keep.String() && !(removes && time.Since(policy.Since) >= renewal) {
		return err
	}
	policy = evidence.Policy{Keep: p.Keep.String(), Since: time.Now().UTC().Truncate(time.Second), Tool: p.Tool}
	if err := p.Ledger.LogRecord(ctx, policy); err != nil {
		return fmt.Errorf("logging the retention policy: %w", err)
	}
	if err := p.commit(ctx); err != nil {
		return err
	}
	p.Logger.InfoContext(ctx, "retention policy logged", "keep", policy.Keep)
	return nil
}

// Pruned returns which reports the ledger says were removed on purpose, by its
// entries: their SHA-256, in hex, by their keys.
func Pruned(entries iter.Seq2[tree.Entry, error]) (map[string]string, error) {
	pruned := make(map[string]string)
	for e, err := range entries {
		if err != nil {
			return nil, fmt.Errorf("reading the ledger: %w", err)
		}
		if e.Kind() == tree.Pruned {
			pruned[e.Object()] = hex.EncodeToString(e.Sum[:])
		}
	}
	return pruned, nil
}
