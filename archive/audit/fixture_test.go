package audit_test

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/audit"
	"packseal.example/archive/ledger/slate"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/plans"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

const (
	origin = "example.com/packseal/audit"
	tool   = "packseal/test"
)

// moment returns a time of the tests: a day of March 2026, an hour and a minute, UTC.
func moment(day, hour, minute int) time.Time {
	return time.Date(2026, 3, day, hour, minute, 0, 0, time.UTC)
}

// newKey returns a key that follows from the seed alone.
func newKey(t testing.TB, name string, seed byte) (note.Signer, string) {
	t.Helper()
	private := ed25519.NewKeyFromSeed(append(make([]byte, 31), seed))
	public := append([]byte{1}, private.Public().(ed25519.PublicKey)...)
	id := sha256.Sum256(append([]byte(name+"\n"), public...))
	encode := base64.StdEncoding.EncodeToString
	s, err := note.NewSigner("PRIVATE+KEY+" + name + "+" + hex.EncodeToString(id[:4]) + "+" + encode(append([]byte{1}, private.Seed()...)))
	if err != nil {
		t.Fatal(err)
	}
	return s, name + "+" + hex.EncodeToString(id[:4]) + "+" + encode(public)
}

// checkpoint is one of the ledger, with its tokens by name.
type checkpoint struct {
	n      int64
	head   tree.Checkpoint
	raw    []byte
	tokens map[string]time.Time
}

// ledger is a whole ledger in memory, and what is beside it: it is written as the
// format says, not by the code that writes ledgers.
type ledger struct {
	testing.TB
	signers []note.Signer
	key     string // the verifier key
	packs   []evidence.PlannedPack

	entries     []tree.Entry
	edge        tree.Edge
	records     map[string][]byte // by the entry's key
	reports     map[string][]byte // by key
	checkpoints []checkpoint
	plans       map[string]evidence.Plan
	slated      time.Time // until when there are slates
	ahead       time.Duration
	whole       bool // bundles go to the end

	seal func(l *ledger, s evidence.Slot) // what becomes of a slot; nil: it is sealed five minutes later
	each func(l *ledger, now time.Time)   // called at each hour of run, first
}

func newLedger(t testing.TB) *ledger {
	signer, key := newKey(t, origin, 1)
	return &ledger{
		TB: t, signers: []note.Signer{signer}, key: key, ahead: 26 * time.Hour,
		records: make(map[string][]byte), reports: make(map[string][]byte), plans: make(map[string]evidence.Plan),
		packs: []evidence.PlannedPack{planned("cp-1", "0 2 * * *"), planned("cp-2", "0 2 * * *"), planned("cp-3", "30 6 * * *")},
	}
}

func planned(pack, schedule string) evidence.PlannedPack {
	return evidence.PlannedPack{Pack: pack, Schedule: schedule, Source: "prod", Zone: "UTC"}
}

// log appends an entry.
func (l *ledger) log(key string, raw []byte) {
	e := tree.Of(key, raw)
	l.entries = append(l.entries, e)
	l.edge.Append(e.Leaf())
	l.records[key] = raw
}

// record appends a record of the ledger's own.
func (l *ledger) record(r interface {
	Encode() (string, []byte, error)
}) (key string) {
	l.Helper()
	key, raw, err := r.Encode()
	if err != nil {
		l.Fatal(err)
	}
	l.log(key, raw)
	return key
}

// plan puts packs into force.
func (l *ledger) plan(since time.Time, packs ...evidence.PlannedPack) {
	l.Helper()
	records, err := evidence.NewPlan(packs, since, tool)
	if err != nil {
		l.Fatal(err)
	}
	for _, p := range records {
		l.plans[l.record(p)] = p
	}
}

func (l *ledger) history() plans.History { return plans.NewHistory(l.plans, nil) }

// slate says what falls due up to then.
func (l *ledger) slate(until time.Time) {
	l.Helper()
	for l.slated.Before(until) {
		s, err := slate.Next(l.history(), l.slated, until, tool)
		if err != nil {
			l.Fatal(err)
		}
		l.record(s)
		l.slated = s.Until
	}
}

// manifest returns one of a report that was sealed then, and the report.
func manifest(s evidence.Slot, sealed time.Time) (evidence.Manifest, []byte) {
	report := []byte("report of " + s.ID())
	sum := fmt.Sprintf("%x", sha256.Sum256(report))
	return evidence.Manifest{
		Container: evidence.OLE2, CRC64: "1", Created: sealed.Add(-time.Minute), Due: s.Due, Fetched: sealed, Kind: s.Ref().Kind(),
		LateSeconds: int64(sealed.Sub(s.Due) / time.Second), MD5: sum[:32], Name: "Pack", Object: "report-" + sum[:12] + ".xls", Pack: s.Pack,
		Requested: s.Due, RequestIDs: []string{"4D2C1B0A-" + sum[:4]}, Schema: evidence.ManifestSchema, Sealed: sealed, SHA256: sum, Size: int64(len(report)),
		Source: s.Source, SourceName: "reports/" + sum + ".xls", Tool: tool,
	}, report
}

// sealAt seals a slot then.
func (l *ledger) sealAt(s evidence.Slot, sealed time.Time) {
	l.Helper()
	m, report := manifest(s, sealed)
	raw, err := evidence.Encode(m)
	if err != nil {
		l.Fatal(err)
	}
	l.reports[m.ReportKey()] = report
	l.log(s.ManifestKey(), raw)
}

// gapAt records a gap then.
func (l *ledger) gapAt(s evidence.Slot, recorded time.Time) {
	l.Helper()
	raw, err := evidence.Encode(evidence.NewGap(s, fault.Deadline, "it took too long", recorded, tool))
	if err != nil {
		l.Fatal(err)
	}
	l.log(s.GapKey(), raw)
}

// sign makes a checkpoint; tokens are over it, by the authorities' names.
func (l *ledger) sign(tokens map[string]time.Time) {
	l.Helper()
	head := tree.Checkpoint{Origin: origin, Size: l.edge.Size, Root: l.edge.Root()}
	raw, err := head.Sign(l.signers...)
	if err != nil {
		l.Fatal(err)
	}
	l.checkpoints = append(l.checkpoints, checkpoint{int64(len(l.checkpoints)), head, raw, tokens})
}

// stamp makes a checkpoint that an authority stamps then.
func (l *ledger) stamp(at time.Time) { l.Helper(); l.sign(map[string]time.Time{"tsa": at}) }

// run lives through the hours of [from, until): what is due is settled, slates are
// written ahead, and at each hour that brought something the ledger is stamped, ten
// minutes past it.
func (l *ledger) run(from, until time.Time) {
	l.Helper()
	if l.slated.IsZero() {
		l.slated = from
	}
	if len(l.plans) == 0 {
		l.plan(from, l.packs...)
	}
	for now := from; now.Before(until); now = now.Add(time.Hour) {
		size := len(l.entries)
		if l.each != nil {
			l.each(l, now)
		}
		if l.slated.Before(now.Add(l.ahead - 2*time.Hour)) {
			l.slate(now.Add(l.ahead))
		}
		for s := range l.history().Expected(now.Add(-time.Hour), now) {
			if l.seal != nil {
				l.seal(l, s)
			} else {
				l.sealAt(s, s.Due.Add(5*time.Minute))
			}
		}
		if len(l.entries) > size {
			l.stamp(now.Add(10 * time.Minute))
		}
	}
}

// part returns the part of the ledger that a bundle of a period has, and the
// checkpoints within it: it begins before the slate that covers the period's begin.
func (l *ledger) part(p audit.Period) (a, b int64, within []checkpoint) {
	l.Helper()
	covers := slices.IndexFunc(l.entries, func(e tree.Entry) bool {
		s, err := evidence.DecodeSlate(l.records[e.Key], e.Key)
		return err == nil && !s.Until.Before(p.From)
	})
	first, last := -1, -1
	for i, c := range l.checkpoints {
		for _, at := range c.tokens {
			if !at.After(p.From) && c.head.Size <= int64(covers) {
				first = i
			}
			if last < 0 && at.After(p.Until) {
				last = i
			}
		}
	}
	if first >= 0 {
		a = l.checkpoints[first].head.Size
	}
	if last < 0 || l.whole {
		last = len(l.checkpoints) - 1
	}
	return a, l.checkpoints[last].head.Size, l.checkpoints[max(first, 0) : last+1]
}

// input returns what a statement of the period is computed from.
func (l *ledger) input(p audit.Period) audit.Input {
	l.Helper()
	a, b, within := l.part(p)
	in := audit.Input{Period: p, Tool: tool, Begin: a, Checkpoint: within[len(within)-1].head}
	for _, c := range within {
		for name, at := range c.tokens {
			in.Stamps = append(in.Stamps, audit.Stamp{Size: c.head.Size, Time: at, Name: name})
		}
	}
	in.Entries = yield(l.entries[a:b])
	var raws [][]byte
	for _, e := range l.entries[a:b] {
		if raw, ok := l.records[e.Key]; ok {
			raws = append(raws, raw)
		}
	}
	in.Records = yield(append(raws, l.before(a)...))
	return in
}

// before returns the record of the plan that was in force at an entry.
func (l *ledger) before(a int64) [][]byte {
	for _, e := range slices.Backward(l.entries[:a]) {
		if e.Kind() == tree.Plan {
			return [][]byte{l.records[e.Key]}
		}
	}
	return nil
}

func yield[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, x := range list {
			if !yield(x, nil) {
				return
			}
		}
	}
}

// token is what the tests' authority gives: its name, the time, and what it saw.
func token(name string, at time.Time, checkpoint []byte) []byte {
	return fmt.Appendf(nil, "%s %d %x", name, at.Unix(), sha256.Sum256(checkpoint))
}

// files are a bundle's, by their names.
type files map[string][]byte

// bundle returns the bundle of a period.
func (l *ledger) bundle(p audit.Period) files {
	l.Helper()
	a, b, within := l.part(p)
	f := files{}
	f[audit.EdgeName] = audit.FormatEdge(tree.Edge{}.Add(l.entries[:a]))
	add := func(name string, line []byte) { f[name] = append(append(f[name], line...), '\n') }
	for _, e := range l.entries[a:b] {
		add(audit.LeavesName, []byte(e.String()))
		raw, ok := l.records[e.Key]
		slot, _, isSlot := evidence.ParseKey(e.Object())
		switch kind := e.Kind(); {
		case !ok || kind == tree.Void || kind == tree.Pruned:
		case isSlot:
			add(audit.RecordsName(slot.Due), raw)
		default:
			add(audit.LedgerRecords, raw)
		}
	}
	for _, raw := range l.before(a) {
		add(audit.LedgerRecords, raw)
	}
	for _, c := range within {
		f[audit.CheckpointName(c.n)] = c.raw
		for name, at := range c.tokens {
			f[audit.TokenName(c.n, name)] = token(name, at, c.raw)
		}
	}
	for key, report := range l.reports {
		slot, _, _ := evidence.ParseKey(key)
		if slices.ContainsFunc(l.entries[a:b], func(e tree.Entry) bool { return e.Key == slot.ManifestKey() }) {
			f[audit.ReportName(key)] = report
		}
	}
	s, err := audit.Compute(l.input(p))
	if err != nil {
		l.Fatal(err)
	}
	if f[audit.StatementName], err = s.Encode(); err != nil {
		l.Fatal(err)
	}
	return f
}

// zip writes the files in the order of their names.
func (f files) zip(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(f)) {
		file, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.Write(f[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// march is the period of the tests.
func march(from, until int) audit.Period {
	return audit.Period{From: moment(from, 0, 0), Until: moment(until, 0, 0), Zone: "UTC"}
}

// words returns those of findings, each once, in order.
func words(list []audit.Finding) string {
	var all []string
	for _, f := range list {
		all = append(all, string(f.Word))
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}
