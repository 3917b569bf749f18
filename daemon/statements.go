package daemon

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"time"

	"packseal.example/archive"
	"packseal.example/archive/audit"
	"packseal.example/archive/bundle"
	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/stamp"
	"packseal.example/archive/ledger/tree"
	"packseal.example/config"
	"packseal.example/internal/fault"
	"packseal.example/internal/period"
	"packseal.example/web"
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
		err = errNoLedger
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

// statements computes statements for the page, one at a time, and keeps the last ones.
type statements struct {
	turn  chan struct{} // one may be computed
	pages map[statementKey]web.StatementPage
}

// statementKey is what a page follows from.
type statementKey struct {
	web.StatementQuery
	tip tree.Checkpoint
	at  time.Time // to the minute: others vouch for a tip later
}

// keptStatements is how many pages are kept.
const keptStatements = 16

func newStatements() *statements {
	return &statements{turn: make(chan struct{}, 1), pages: make(map[statementKey]web.StatementPage)}
}

// statement returns the statement of a period as a page. It logs nothing.
func (s *services) statement(ctx context.Context, q web.StatementQuery) (page web.StatementPage, err error) {
	r := s.runtime.Load()
	if r == nil || r.ledger == nil {
		return page, errNoLedger
	}
	p, err := statementPeriod(r.cfg, q, time.Now())
	if err != nil {
		return page, err
	}
	select {
	case s.statements.turn <- struct{}{}:
		defer func() { <-s.statements.turn }()
	case <-ctx.Done():
		return page, fault.New(fault.Busy, "another statement is being computed").WithHint("try again in a minute")
	}
	key := statementKey{q, r.ledger.Status().Checkpoint, time.Now().Truncate(time.Minute)}
	if page, ok := s.statements.pages[key]; ok {
		return page, nil
	}
	source, err := proofs(r.cfg, r.archive, s.tool())
	if err != nil {
		return page, err
	}
	source.Ledger, source.Keys = r.ledger, r.ledger.Keys.Verifiers()
	m, err := source.Statement(ctx, p)
	if err != nil {
		return page, err
	}
	var b bytes.Buffer
	if err := m.Page(&b, q.Lang, months(p, time.Now())...); err != nil {
		return page, err
	}
	page = web.StatementPage{HTML: b.Bytes(), Style: bundle.StyleSource()}
	if len(s.statements.pages) >= keptStatements {
		clear(s.statements.pages)
	}
	s.statements.pages[key] = page
	return page, nil
}

// errNoLedger is the error where there is no ledger.
var errNoLedger = fault.New(fault.NotFound, "no ledger is configured").WithHint("docs/ledger.md says how to turn it on")

// statementPeriod reads what a visitor asked for, as far as it is over by now.
func statementPeriod(cfg *config.Config, q web.StatementQuery, now time.Time) (p audit.Period, err error) {
	if q.From == "" || q.To == "" {
		return p, fault.New(fault.Request, "from and to are required").WithHint("?from=2026-01-01&to=2026-03-31&zone=Asia/Shanghai")
	}
	p.Zone = cmp.Or(q.Zone, cfg.Defaults.TimeZone, "UTC")
	zone, err := time.LoadLocation(p.Zone)
	if err != nil || p.Zone == "Local" {
		return p, fault.New(fault.Request, "zone: %.100q is not a time zone", p.Zone).WithHint("Asia/Shanghai is one")
	}
	if p.From, p.Until, err = (period.Bounds{From: q.From, To: q.To}).In(zone); err == nil && p.Until.Sub(p.From) > longestStatement {
		err = fault.New(fault.Request, "to: the page shows at most %d days", longestStatement/(24*time.Hour)).WithHint("packseal statement shows any period")
	}
	if err != nil {
		return p, err
	}
	p.From, p.Until = p.From.UTC(), p.Until.UTC()
	return p.Ended(now)
}

// longestStatement bounds the period of a page.
const longestStatement = 400 * 24 * time.Hour

// months returns links to the page of all packs, and to the statements of the last
// twelve months.
func months(p audit.Period, now time.Time) (links []bundle.Link) {
	links = append(links, bundle.Link{Path: "/", Name: "packseal"})
	zone, err := time.LoadLocation(p.Zone)
	if err != nil {
		return links
	}
	year, month, _ := now.In(zone).Date()
	for i := range time.Month(12) {
		first := time.Date(year, month-i, 1, 0, 0, 0, 0, time.UTC)
		q := url.Values{"from": {first.Format(time.DateOnly)}, "to": {first.AddDate(0, 1, -1).Format(time.DateOnly)}, "zone": {p.Zone}}
		links = append(links, bundle.Link{Path: "/statement?" + q.Encode(), Name: first.Format("2006-01")})
	}
	return links
}
