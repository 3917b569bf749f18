package doctor

import (
	"context"
	"errors"
	"time"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/stamp/tsa"
	"packseal.example/archive/ledger/witness"
	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
)

// maxOffset is how far this machine's clock may be from an authority's.
const maxOffset = 30 * time.Second

// anchors are the checks of who vouches for the ledger.
func (e *examination) anchors() (all []check) {
	authorities, err := e.Config.Ledger.Authorities(e.Tool)
	if err != nil {
		return []check{{name: "ledger-stamp", target: "ledger.stamps", run: func(context.Context) []diag.Result { return []diag.Result{diag.Fail("ledger-stamp", err)} }}}
	}
	for _, a := range authorities {
		all = append(all, check{name: "ledger-stamp", target: "authority " + a.Name, run: func(ctx context.Context) []diag.Result { return stamped(ctx, a) }})
	}
	witnesses, err := e.Config.Ledger.Cosigners(e.Tool)
	if err != nil {
		return append(all, check{name: "ledger-witness", target: "ledger.witnesses", run: func(context.Context) []diag.Result { return []diag.Result{diag.Fail("ledger-witness", err)} }})
	}
	for _, w := range witnesses {
		all = append(all, check{name: "ledger-witness", target: "witness " + w.Name, run: func(ctx context.Context) []diag.Result { return e.cosigned(ctx, w) }})
	}
	return all
}

// stamped gets a time-stamp of nothing in particular.
func stamped(ctx context.Context, a *tsa.Client) []diag.Result {
	s, err := a.Stamp(ctx, []byte("packseal doctor"))
	switch {
	case err != nil:
		return []diag.Result{diag.Fail("ledger-stamp", err)}
	case s.Offset.Abs() > maxOffset+s.Accuracy:
		return []diag.Result{diag.Fail("ledger-stamp", fault.New(fault.ClockSkew, "this machine's clock differs by %s from the authority's", s.Offset.Abs().Round(time.Second)).
			WithHint("set the clock, with NTP for example"))}
	}
	return []diag.Result{diag.OK("ledger-stamp", "gives time-stamps that hold, by %s, whose certificate ends on %s", s.Authority, s.Expires.UTC().Format(time.DateOnly))}
}

// cosigned asks the witness for the last checkpoint that this replica has seen.
func (e *examination) cosigned(ctx context.Context, w *witness.Client) []diag.Result {
	var c ledger.Latest
	l, err := e.openLedger(ctx)
	if err == nil {
		c, err = l.Seen(ctx)
	}
	if errors.Is(err, errNoState) || fault.Of(err) == fault.NotFound {
		return []diag.Result{diag.Skip("ledger-witness", "not asked, since there is no checkpoint: %v", err)}
	}
	var size int64
	if err == nil {
		size, err = w.Try(ctx, c.Raw)
	}
	if err != nil {
		return []diag.Result{diag.Fail("ledger-witness", err)}
	}
	return []diag.Result{diag.OK("ledger-witness", "knows the ledger, and has cosigned %d entries of it", size)}
}
