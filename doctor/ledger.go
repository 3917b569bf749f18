package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"packseal.example/archive/ledger"
	"packseal.example/internal/diag"
)

// ledger are the checks of the ledger, where there is one. They write nothing.
func (e *examination) ledger() []check {
	if e.Config.Ledger == nil {
		return nil
	}
	all := []check{
		{name: "ledger-key", target: "ledger.key_file", run: e.ledgerKey},
		{name: "ledger", target: "sink " + e.Config.Sinks[0].Name, run: e.ledgerTip},
	}
	return append(all, e.anchors()...)
}

// ledgerKey names the keys. That they can be read was checked with the configuration;
// whether somebody has a copy, nobody can check.
func (e *examination) ledgerKey(context.Context) []diag.Result {
	keys, err := ledger.ReadKeys(e.Config.Ledger.KeyFile, e.Config.Ledger.Origin)
	if err != nil {
		return []diag.Result{diag.Fail("ledger-key", err)}
	}
	var names []string
	for _, verifier := range keys.Verifiers() {
		names = append(names, strings.Join(strings.SplitN(verifier, "+", 3)[:2], "+"))
	}
	return []diag.Result{diag.OK("ledger-key", "signs as %s; a copy of the key belongs offline: without it the ledger can't go on", strings.Join(names, ", next as "))}
}

// ledgerTip compares the end of the ledger in the first sink with what this replica has
// seen of it.
func (e *examination) ledgerTip(ctx context.Context) []diag.Result {
	l, err := e.openLedger(ctx)
	if errors.Is(err, errNoState) {
		return []diag.Result{diag.Skip("ledger", "%v; the daemon makes it", err)}
	}
	if err != nil {
		return []diag.Result{diag.Fail("ledger", err)}
	}
	known, begun, err := l.Check(ctx)
	switch st := l.Status(); {
	case err != nil:
		return []diag.Result{diag.Fail("ledger", err)}
	case known:
		return []diag.Result{diag.OK("ledger", "has the last batch that this replica has seen, of %d entries in all; %d are owed to it", st.Checkpoint.Size, st.Owed)}
	case begun:
		return []diag.Result{diag.OK("ledger", "has a ledger, which this replica has not followed yet")}
	}
	return []diag.Result{diag.OK("ledger", "none yet: the daemon begins it with its first commit")}
}

// errNoState is the error (by errors.Is) before the daemon has made the ledger's state.
var errNoState = errors.New("is not there yet")

// openLedger opens the ledger in the first sink alone, without the daemon's retries.
func (e *examination) openLedger(ctx context.Context) (*ledger.Ledger, error) {
	dir := filepath.Join(e.Config.StateDir, "ledger")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s %w", dir, errNoState)
	}
	keys, err := ledger.ReadKeys(e.Config.Ledger.KeyFile, e.Config.Ledger.Origin)
	if err != nil {
		return nil, err
	}
	first := e.Config.Sinks[0]
	opened, err := first.Opener().Open(ctx)
	if err != nil {
		return nil, err
	}
	return ledger.Open(ledger.Options{
		Origin: e.Config.Ledger.Origin, Keys: keys, Dir: dir, Tool: e.Tool,
		Logger: slog.New(slog.DiscardHandler), Sinks: []ledger.Target{{Name: first.Name, Sink: opened}},
	})
}
