package bundle_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/archive/audit"
	"packseal.example/archive/audit/audittest"
	"packseal.example/archive/bundle"
	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/anchor"
	"packseal.example/archive/ledger/slate"
	"packseal.example/archive/ledger/stamp"
	"packseal.example/archive/ledger/stamp/stamptest"
	"packseal.example/archive/ledger/stamp/tsa"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/plans"
	"packseal.example/internal/evidence"
	"packseal.example/internal/secret"
	"packseal.example/sink"
)

// transport is a server without a network.
type transport struct{ http.Handler }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	t.ServeHTTP(w, r)
	return w.Result(), nil
}

// life is a ledger that is kept by what keeps ledgers, in two sinks.
type life struct {
	testing.TB
	sinks    []ledger.Target
	keys     ledger.Keys
	verifier string
	ledger   *ledger.Ledger
	slates   *slate.Writer
	anchors  *anchor.Anchors
	records  map[string]evidence.Plan
	tsa      *stamptest.Authority
}

func newLife(t testing.TB) *life {
	t.Helper()
	l := &life{TB: t, records: make(map[string]evidence.Plan), tsa: stamptest.New(t, "tsa.example")}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, verifier, err := ledger.GenerateKey(audittest.Origin)
	check(err)
	l.verifier = verifier
	l.keys, err = ledger.ReadKeys(secret.File(file(t, t.TempDir(), "key", []byte(key.Reveal()+"\n"))), audittest.Origin)
	check(err)
	for i := range 2 {
		l.sinks = append(l.sinks, ledger.Target{Name: fmt.Sprint("sink", i), Sink: sink.NewMemory()})
	}
	logger := slog.New(slog.DiscardHandler)
	l.ledger, err = ledger.Open(ledger.Options{Origin: audittest.Origin, Keys: l.keys, Sinks: l.sinks, Dir: t.TempDir(), Tool: audittest.Tool, Logger: logger})
	check(err)
	l.slates = slate.NewWriter(slate.Options{
		Ledger: l.ledger, Tool: audittest.Tool, Logger: logger,
		Plans: func(context.Context) (map[string]evidence.Plan, bool, error) {
			return maps.Clone(l.records), false, nil
		},
	})
	client, err := tsa.New(tsa.Options{Name: "tsa", URL: "http://tsa.example/", CAFile: file(t, t.TempDir(), "roots.pem", l.tsa.Root), Transport: transport{l.tsa}})
	check(err)
	l.anchors = anchor.New(anchor.Options{Ledger: l.ledger, Stamps: []*tsa.Client{client}, Logger: logger, Every: time.Minute})
	return l
}

// plan puts packs into force.
func (l *life) plan(since time.Time, packs ...evidence.PlannedPack) {
	l.Helper()
	parts, err := evidence.NewPlan(packs, since, audittest.Tool)
	if err != nil {
		l.Fatal(err)
	}
	for _, p := range parts {
		key, _, err := p.Encode()
		if err != nil {
			l.Fatal(err)
		}
		l.records[key] = p
		if err := l.ledger.LogRecord(l.Context(), p); err != nil {
			l.Fatal(err)
		}
	}
}

// seal seals a slot now.
func (l *life) seal(s evidence.Slot) {
	l.Helper()
	m, report := audittest.Manifest(s, time.Now().UTC().Truncate(time.Second))
	raw, err := evidence.Encode(m)
	if err != nil {
		l.Fatal(err)
	}
	for _, t := range l.sinks {
		if err := t.Put(l.Context(), m.ReportKey(), sink.Bytes(report)); err != nil {
			l.Fatal(err)
		}
	}
	err = l.ledger.Log(tree.Of(s.ManifestKey(), raw), func() error {
		for _, t := range l.sinks {
			if err := t.Put(l.Context(), s.ManifestKey(), sink.Bytes(raw)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.Fatal(err)
	}
}

// hour lives through one: what is due is sealed, slates are written, and all of it is
// committed and stamped.
func (l *life) hour() {
	l.Helper()
	before := time.Now()
	time.Sleep(time.Hour)
	if _, err := l.slates.Write(l.Context()); err != nil {
		l.Fatal(err)
	}
	for s := range plans.NewHistory(l.records, nil).Expected(before, time.Now()) {
		l.seal(s)
	}
	if err := l.ledger.Commit(l.Context()); err != nil {
		l.Fatal(err)
	}
	l.anchors.Once(l.Context())
	if err := l.ledger.Commit(l.Context()); err != nil { // copies
		l.Fatal(err)
	}
}

func (l *life) check(token, checkpoint []byte) (time.Time, error) {
	t, err := stamp.Verify(token, checkpoint, l.tsa.Pool)
	return t.Time, err
}

func (l *life) source(of bundle.Ledger) bundle.Source {
	return bundle.Source{
		Ledger: of, Sinks: l.sinks, Keys: []string{l.verifier}, Tool: audittest.Tool, Roots: l.tsa.Root,
		Stamp: func(_ string, token, checkpoint []byte) (time.Time, error) { return l.check(token, checkpoint) },
		Report: func(ctx context.Context, m evidence.Manifest, w io.Writer) error {
			raw, err := sink.ReadAll(ctx, l.sinks[0], m.ReportKey(), 1<<20)
			if err == nil {
				_, err = w.Write(raw)
			}
			return err
		},
	}
}

// clean fails unless what was made, and the audit of it, have no finding.
func (l *life) clean(t *testing.T, name string, raw []byte, m bundle.Made) audit.Result {
	t.Helper()
	r, err := audit.Bundle(bytes.NewReader(raw), int64(len(raw)), audit.Options{Keys: []string{l.verifier}, Tool: audittest.Tool, Stamps: l.check})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(m.Findings, r.Findings...) {
		t.Errorf("%s: %s %s: %s", name, f.Word, f.Key, f.Sentence)
	}
	return r
}

// TestLife: of a ledger that was kept for days by what keeps ledgers, a bundle has no
// finding, whether it was made with the key or without; and its statement is an entry of
// the next one.
func TestLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(audittest.Moment(1, 0, 0)))
		l := newLife(t)
		one, two, three := audittest.Planned("cp-1", "0 2 * * *"), audittest.Planned("cp-2", "0 2 * * *"), audittest.Planned("cp-3", "30 6 * * *")
		l.plan(time.Now().UTC().Add(time.Second), one, two, three)
		for range 16 * 24 { // the plan is logged anew after a week
			l.hour()
		}
		days := audittest.March(12, 15)
		var first []byte
		view, err := ledger.Look(t.Context(), ledger.Options{Origin: audittest.Origin, Keys: l.keys, Sinks: l.sinks, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		for name, of := range map[string]bundle.Ledger{"with the key": l.ledger, "without": view} {
			var b bytes.Buffer
			m, err := l.source(of).Write(t.Context(), &b, bundle.Options{Period: days, Reports: all})
			if err != nil {
				t.Fatal(err)
			}
			r := l.clean(t, name, b.Bytes(), m)
			if want := (audit.Counts{Expected: 9, Sealed: 9}); r.Statement == nil || r.Statement.Counts != want || r.Reports != 9 {
				t.Errorf("%s: %+v", name, r.Statement)
			}
			if first != nil && !bytes.Equal(first, b.Bytes()) {
				t.Errorf("the bundles differ")
			}
			if first = b.Bytes(); string(member(t, first, audit.EdgeName)) == "size 0\n" {
				t.Error("it begins with the ledger")
			}
			if err := l.ledger.LogRecord(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		l.hour()
		if m, err := l.source(l.ledger).Write(t.Context(), io.Discard, bundle.Options{Period: days, Reports: all}); err != nil || !m.Logged {
			t.Errorf("the statement is not the one that was logged: %v", err)
		}
		for range 30 {
			l.hour()
		}
		var b bytes.Buffer
		if _, err := l.source(l.ledger).Write(t.Context(), &b, bundle.Options{Period: audittest.March(16, 18), Reports: none}); err != nil {
			t.Fatal(err)
		}
		if got := member(t, b.Bytes(), audit.LedgerRecords); !bytes.Contains(got, []byte(audit.StatementSchema)) {
			t.Errorf("the statement is no record of the next bundle:\n%s", got)
		}
	})
}

// TestLifeChange: plans that change, and a slot that has no record, come to the same.
func TestLifeChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(audittest.Moment(1, 0, 0)))
		l := newLife(t)
		one, two, three := audittest.Planned("cp-1", "0 2 * * *"), audittest.Planned("cp-2", "0 2 * * *"), audittest.Planned("cp-3", "30 6 * * *")
		l.plan(time.Now().UTC().Add(time.Second), one, two, three)
		for hour := range 7 * 24 {
			switch hour {
			case 2*24 + 12: // cp-3 is left out, cp-4 is added, cp-2 is due later
				two.Schedule = "0 20 * * *"
				l.plan(evidence.NextSecond(time.Now()), one, two, audittest.Planned("cp-4", "0 2 * * *"))
			case 4 * 24:
				l.plan(evidence.NextSecond(time.Now()), one, two, three)
			}
			l.hour()
		}
		var b bytes.Buffer
		m, err := l.source(l.ledger).Write(t.Context(), &b, bundle.Options{Period: audittest.March(2, 7), Reports: all})
		if err != nil {
			t.Fatal(err)
		}
		r := l.clean(t, "changed", b.Bytes(), m)
		if s := r.Statement; len(s.PlanChanges) != 2 || s.Counts.Expected != s.Counts.Sealed || len(s.Unscheduled) == 0 {
			t.Errorf("%+v", s)
		}
	})
}
