package daemon

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"packseal.example/archive"
	"packseal.example/archive/bundle"
	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/stamp"
	"packseal.example/config"
	"packseal.example/internal/fault"
)

// OpenProofs returns what bundles, statements and proofs are made from: the ledger of
// the configuration, with its key, or with a verifier key the one that it is of, as the
// archive's sinks have it. The ledger is nil if its key is not there to log anything
// with.
func OpenProofs(ctx context.Context, cfg *config.Config, a *archive.Archive, verifier string, o LedgerOptions) (s bundle.Source, l *ledger.Ledger, err error) {
	if s, err = proofs(cfg, a, o.Tool); err != nil {
		return s, nil, err
	}
	if verifier == "" && cfg.Ledger != nil {
		open := opening{tool: o.Tool, logger: o.Logger}
		opened, err := open.openLedger(cfg, a.Sinks)
		if err == nil {
			err = ledger.Patiently(ctx, opened.Commit)
		}
		if err != nil {
			return s, nil, err
		}
		s.Ledger, s.Keys = opened.Ledger, opened.Keys.Verifiers()
		return s, opened.Ledger, nil
	}
	v, err := LookAtLedger(ctx, cfg, a.Sinks, verifier, o.Logger)
	if err == nil && v == nil {
		err = fault.New(fault.NotFound, "there is no ledger").WithHint("docs/ledger.md says how to turn it on")
	}
	s.Ledger, s.Keys = v, []string{verifier}
	return s, nil, err
}

// proofs returns a source without its ledger.
func proofs(cfg *config.Config, a *archive.Archive, tool string) (bundle.Source, error) {
	s := bundle.Source{Tool: tool, Report: a.ExportReport}
	for _, t := range a.Sinks {
		s.Sinks = append(s.Sinks, ledger.Target(t))
	}
	roots := make(map[string]*x509.CertPool)
	if cfg.Ledger != nil {
		for _, w := range cfg.Ledger.Witnesses {
			s.Witnesses = append(s.Witnesses, w.Key)
		}
		for _, authority := range cfg.Ledger.Stamps {
			if authority.CAFile == "" {
				continue
			}
			pem, err := os.ReadFile(authority.CAFile)
			if err == nil {
				roots[authority.Name], err = stamp.ParseRoots(pem)
			}
			if err != nil {
				return s, fault.New(fault.Request, "the certificates of authority %s, %s: %w", authority.Name, authority.CAFile, err)
			}
			s.Roots = append(append(s.Roots, bytes.TrimSpace(pem)...), '\n')
		}
	}
	s.Stamp = func(authority string, token, checkpoint []byte) (time.Time, error) {
		t, err := stamp.Verify(token, checkpoint, roots[authority]) // nil: the system's
		if err != nil {
			err = fmt.Errorf("the time-stamp of %s: %w", authority, err)
		}
		return t.Time, err
	}
	return s, nil
}
