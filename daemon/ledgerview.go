package daemon

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"packseal.example/archive"
	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/slate"
	"packseal.example/archive/ledger/tree"
	"packseal.example/config"
	"packseal.example/internal/fault"
)

// LookAtLedger checks the ledger that some sinks hold. It is that of the configuration or,
// with a verifier key, the one that this key signs; nil = neither has one, nor do the
// sinks.
func LookAtLedger(ctx context.Context, cfg *config.Config, sinks []archive.Target, verifier string, logger *slog.Logger) (*ledger.View, error) {
	return lookAtLedger(ctx, cfg, sinks, verifier, "", logger)
}

// lookAtLedger is LookAtLedger. What a replica with this state has seen has to be there;
// "" = there is none.
func lookAtLedger(ctx context.Context, cfg *config.Config, sinks []archive.Target, verifier, state string, logger *slog.Logger) (*ledger.View, error) {
	o := ledger.Options{Logger: logger, Dir: state}
	var err error
	switch {
	case verifier != "":
		o.Keys, o.Origin, err = ledger.VerifierKeys(verifier)
	case cfg.Ledger != nil:
		o.Origin = cfg.Ledger.Origin
		o.Keys, err = ledger.ReadKeys(cfg.Ledger.KeyFile, o.Origin)
	default:
		return nil, unasked(ctx, sinks)
	}
	if err != nil {
		return nil, err
	}
	for _, s := range sinks {
		o.Sinks = append(o.Sinks, ledger.Target(s))
	}
	return ledger.Look(ctx, o)
}

// unasked returns an error if a sink holds a ledger of which no key is given.
func unasked(ctx context.Context, sinks []archive.Target) error {
	for _, t := range sinks {
		for e, err := range t.List(ctx, tree.BatchDir, "") {
			if err != nil {
				return err
			}
			return fault.New(fault.Request, "sink %s holds a ledger (%s), and the configuration has none", t.Name, e.Key).
				WithHint("give its verifier key with --key, or its origin and key_file under ledger in the configuration")
		}
	}
	return nil
}

// ledgerView is a ledger as sinks hold it, for what only reads it. It is looked at each
// time.
type ledgerView struct {
	cfg      *config.Config
	sinks    []archive.Target
	verifier string // "" = the configuration's
	state    string // of a replica of it
	logger   *slog.Logger
}

// ledgerView returns the ledger of the configuration, or of the verifier key; nil = there
// is neither.
func (o opening) ledgerView(cfg *config.Config, sinks []archive.Target) *ledgerView {
	if cfg.Ledger == nil && o.verifier == "" {
		return nil
	}
	v := &ledgerView{cfg: cfg, sinks: sinks, verifier: o.verifier, logger: o.logger}
	if cfg.Ledger != nil && cfg.StateDir != "" && o.verifier == "" {
		v.state = ledgerDir(cfg)
	}
	return v
}

func (v *ledgerView) look(ctx context.Context) (*ledger.View, error) {
	return lookAtLedger(ctx, v.cfg, v.sinks, v.verifier, v.state, v.logger)
}

// entries yields the ledger's entries. One that has not begun has none.
func (v *ledgerView) entries(ctx context.Context) iter.Seq2[tree.Entry, error] {
	return func(yield func(tree.Entry, error) bool) {
		switch view, err := v.look(ctx); {
		case err == nil:
			view.Entries(ctx)(yield)
		case fault.Of(err) != fault.NotFound:
			yield(tree.Entry{}, err)
		}
	}
}

// inspect returns what is wrong with the ledger itself, and its entries.
func (v *ledgerView) inspect(ctx context.Context) (problems []archive.Problem, entries archive.Entries, err error) {
	view, err := v.look(ctx)
	if view == nil {
		return nil, v.entries, err
	}
	begun := err == nil
	if entries = v.entries; begun {
		entries = view.Entries
		err = view.Check(ctx)
	}
	for _, p := range view.Problems() {
		problems = append(problems, archive.Problem{Kind: archive.Kind(p.Kind), Sink: p.Sink, Key: p.Key, Detail: p.Detail})
	}
	if !begun && (len(problems) > 0 || fault.Of(err) == fault.NotFound) { // then it was said why
		return problems, entries, nil
	}
	if err != nil {
		return problems, entries, err
	}
	unslated, err := slate.Unslated(ctx, view.Entries(ctx), view, time.Now())
	for _, p := range unslated {
		problems = append(problems, archive.Problem{Kind: archive.Unslated, Key: p.Key, Detail: p.Detail})
	}
	return problems, entries, err
}
