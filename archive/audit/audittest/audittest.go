// Package audittest makes ledgers and bundles in memory, for tests: as their formats
// say, not by the code that writes them.
package audittest

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

// What ledgers of the tests are called, and the program that wrote them.
const (
	Origin = "example.com/packseal/audit"
	Tool   = "packseal/test"
)

// Moment returns a time of the tests: a day of March 2026, an hour and a minute, UTC.
func Moment(day, hour, minute int) time.Time {
	return time.Date(2026, 3, day, hour, minute, 0, 0, time.UTC)
}

// NewKey returns a key that follows from the seed alone.
func NewKey(t testing.TB, name string, seed byte) (note.Signer, string) {
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

// Checkpoint is one of the ledger, with its tokens by name.
type Checkpoint struct {
	N      int64
	Head   tree.Checkpoint
	Raw    []byte
	Tokens map[string]time.Time
}

// Ledger is a whole ledger in memory, and what is beside it: it is written as the
// format says, not by the code that writes ledgers.
type Ledger struct {
	testing.TB
	Signers []note.Signer
	Key     string // the verifier key
	Packs   []evidence.PlannedPack

	Entries     []tree.Entry
	Edge        tree.Edge
	Records     map[string][]byte // by the entry's key
	Reports     map[string][]byte // by key
	Checkpoints []Checkpoint
	Plans       map[string]evidence.Plan
	Slated      time.Time // until when there are slates
	Ahead       time.Duration
	Whole       bool // bundles go to the end

	Authority func(name string, at time.Time, checkpoint []byte) []byte // gives tokens; default Token

	Seal func(l *Ledger, s evidence.Slot) // what becomes of a slot; nil: it is sealed five minutes later
	Each func(l *Ledger, now time.Time)   // called at each hour of run, first
}

// New returns an empty ledger of three packs, which are due each day.
func New(t testing.TB) *Ledger {
	signer, key := NewKey(t, Origin, 1)
	return &Ledger{
		TB: t, Signers: []note.Signer{signer}, Key: key, Ahead: 26 * time.Hour, Authority: Token,
		Records: make(map[string][]byte), Reports: make(map[string][]byte), Plans: make(map[string]evidence.Plan),
		Packs: []evidence.PlannedPack{Planned("cp-1", "0 2 * * *"), Planned("cp-2", "0 2 * * *"), Planned("cp-3", "30 6 * * *")},
	}
}

// Planned returns a pack of a plan.
func Planned(pack, schedule string) evidence.PlannedPack {
	return evidence.PlannedPack{Pack: pack, Schedule: schedule, Source: "prod", Zone: "UTC"}
}

// Log appends an entry.
func (l *Ledger) Log(key string, raw []byte) {
	e := tree.Of(key, raw)
	l.Entries = append(l.Entries, e)
	l.Edge.Append(e.Leaf())
	l.Records[key] = raw
}

// Record appends a record of the ledger's own.
func (l *Ledger) Record(r interface {
	Encode() (string, []byte, error)
}) (key string) {
	l.Helper()
	key, raw, err := r.Encode()
	if err != nil {
		l.Fatal(err)
	}
	l.Log(key, raw)
	return key
}

// Plan puts packs into force.
func (l *Ledger) Plan(since time.Time, packs ...evidence.PlannedPack) {
	l.Helper()
	records, err := evidence.NewPlan(packs, since, Tool)
	if err != nil {
		l.Fatal(err)
	}
	for _, p := range records {
		l.Plans[l.Record(p)] = p
	}
}

// History is how packs were scheduled.
func (l *Ledger) History() plans.History { return plans.NewHistory(l.Plans, nil) }

// Slate says what falls due up to then.
func (l *Ledger) Slate(until time.Time) {
	l.Helper()
	for l.Slated.Before(until) {
		s, err := slate.Next(l.History(), l.Slated, until, Tool)
		if err != nil {
			l.Fatal(err)
		}
		l.Record(s)
		l.Slated = s.Until
	}
}

// Manifest returns one of a report that was sealed then, and the report.
func Manifest(s evidence.Slot, sealed time.Time) (evidence.Manifest, []byte) {
	report := []byte("report of " + s.ID())
	sum := fmt.Sprintf("%x", sha256.Sum256(report))
	return evidence.Manifest{
		Container: evidence.OLE2, CRC64: "1", Created: sealed.Add(-time.Minute), Due: s.Due, Fetched: sealed, Kind: s.Ref().Kind(),
		LateSeconds: int64(sealed.Sub(s.Due) / time.Second), MD5: sum[:32], Name: "Pack", Object: "report-" + sum[:12] + ".xls", Pack: s.Pack,
		Requested: s.Due, RequestIDs: []string{"4D2C1B0A-" + sum[:4]}, Schema: evidence.ManifestSchema, Sealed: sealed, SHA256: sum, Size: int64(len(report)),
		Source: s.Source, SourceName: "reports/" + sum + ".xls", Tool: Tool,
	}, report
}

// SealAt seals a slot then.
func (l *Ledger) SealAt(s evidence.Slot, sealed time.Time) {
	l.Helper()
	m, report := Manifest(s, sealed)
	raw, err := evidence.Encode(m)
	if err != nil {
		l.Fatal(err)
	}
	l.Reports[m.ReportKey()] = report
	l.Log(s.ManifestKey(), raw)
}

// GapAt records a gap then.
func (l *Ledger) GapAt(s evidence.Slot, recorded time.Time) {
	l.Helper()
	raw, err := evidence.Encode(evidence.NewGap(s, fault.Deadline, "it took too long", recorded, Tool))
	if err != nil {
		l.Fatal(err)
	}
	l.Log(s.GapKey(), raw)
}

// Sign makes a checkpoint; tokens are over it, by the authorities' names.
func (l *Ledger) Sign(tokens map[string]time.Time) {
	l.Helper()
	head := tree.Checkpoint{Origin: Origin, Size: l.Edge.Size, Root: l.Edge.Root()}
	raw, err := head.Sign(l.Signers...)
	if err != nil {
		l.Fatal(err)
	}
	l.Checkpoints = append(l.Checkpoints, Checkpoint{int64(len(l.Checkpoints)), head, raw, tokens})
}

// Stamp makes a checkpoint that an authority stamps then.
func (l *Ledger) Stamp(at time.Time) { l.Helper(); l.Sign(map[string]time.Time{"tsa": at}) }

// Run lives through the hours of [from, until): what is due is settled, slates are
// written ahead, and at each hour that brought something the ledger is stamped, ten
// minutes past it.
func (l *Ledger) Run(from, until time.Time) {
	l.Helper()
	if l.Slated.IsZero() {
		l.Slated = from
	}
	if len(l.Plans) == 0 {
		l.Plan(from, l.Packs...)
	}
	for now := from; now.Before(until); now = now.Add(time.Hour) {
		size := len(l.Entries)
		if l.Each != nil {
			l.Each(l, now)
		}
		if l.Slated.Before(now.Add(l.Ahead - 2*time.Hour)) {
			l.Slate(now.Add(l.Ahead))
		}
		for s := range l.History().Expected(now.Add(-time.Hour), now) {
			if l.Seal != nil {
				l.Seal(l, s)
			} else {
				l.SealAt(s, s.Due.Add(5*time.Minute))
			}
		}
		if len(l.Entries) > size {
			l.Stamp(now.Add(10 * time.Minute))
		}
	}
}

// part returns the part of the ledger that a bundle of a period has, and the
// checkpoints within it: it begins before the slate that covers the period's begin,
// before the policy in force then, and before plans in parts.
func (l *Ledger) part(p audit.Period) (a, b int64, within []Checkpoint) {
	l.Helper()
	covers := slices.IndexFunc(l.Entries, func(e tree.Entry) bool {
		s, err := evidence.DecodeSlate(l.Records[e.Key], e.Key)
		return err == nil && !s.Until.Before(p.From)
	})
	policy := false
	for i, e := range slices.Backward(l.Entries[:max(covers, 0)]) {
		if isPolicy := e.Kind() == tree.Policy; isPolicy && !policy || l.Plans[e.Key].Parts > 0 {
			covers, policy = i, policy || isPolicy
		}
	}
	first, last := -1, -1
	for i, c := range l.Checkpoints {
		for _, at := range c.Tokens {
			if !at.After(p.From) && c.Head.Size <= int64(covers) {
				first = i
			}
			if last < 0 && at.After(p.Until) {
				last = i
			}
		}
	}
	if first >= 0 {
		a = l.Checkpoints[first].Head.Size
	}
	if last < 0 || l.Whole {
		last = len(l.Checkpoints) - 1
	}
	return a, l.Checkpoints[last].Head.Size, l.Checkpoints[max(first, 0) : last+1]
}

// Input returns what a statement of the period is computed from.
func (l *Ledger) Input(p audit.Period) audit.Input {
	l.Helper()
	a, b, within := l.part(p)
	in := audit.Input{Period: p, Tool: Tool, Begin: a, Checkpoint: within[len(within)-1].Head}
	for _, c := range within {
		for name, at := range c.Tokens {
			in.Stamps = append(in.Stamps, audit.Stamp{Size: c.Head.Size, Time: at, Name: name})
		}
	}
	in.Entries = yield(l.Entries[a:b])
	var raws [][]byte
	for _, e := range l.Entries[a:b] {
		if raw, ok := l.Records[e.Key]; ok {
			raws = append(raws, raw)
		}
	}
	in.Records = yield(append(raws, l.before(a)...))
	return in
}

// before returns the record of the plan that was in force at an entry, which the first
// slate names.
func (l *Ledger) before(a int64) [][]byte {
	for _, e := range slices.Backward(l.Entries[:a]) {
		if e.Kind() == tree.Plan {
			return [][]byte{l.Records[e.Key]}
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

// Token is what the tests' authority gives: its name, the time, and what it saw.
func Token(name string, at time.Time, checkpoint []byte) []byte {
	return fmt.Appendf(nil, "%s %d %x", name, at.Unix(), sha256.Sum256(checkpoint))
}

// Files are a bundle's, by their names.
type Files map[string][]byte

// Bundle returns the bundle of a period.
func (l *Ledger) Bundle(p audit.Period) Files {
	l.Helper()
	a, b, within := l.part(p)
	f := Files{}
	f[audit.EdgeName] = audit.FormatEdge(tree.Edge{}.Add(l.Entries[:a]))
	add := func(name string, line []byte) { f[name] = append(append(f[name], line...), '\n') }
	for _, e := range l.Entries[a:b] {
		add(audit.LeavesName, []byte(e.String()))
		raw, ok := l.Records[e.Key]
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
		f[audit.CheckpointName(c.N)] = c.Raw
		for name, at := range c.Tokens {
			f[audit.TokenName(c.N, name)] = l.Authority(name, at, c.Raw)
		}
	}
	for key, report := range l.Reports {
		slot, _, _ := evidence.ParseKey(key)
		if slices.ContainsFunc(l.Entries[a:b], func(e tree.Entry) bool { return e.Key == slot.ManifestKey() }) {
			f[audit.ReportName(key)] = report
		}
	}
	s, err := audit.Compute(l.Input(p))
	if err != nil {
		l.Fatal(err)
	}
	if f[audit.StatementName], err = s.Encode(); err != nil {
		l.Fatal(err)
	}
	return f
}

// Zip writes the files in the order of their names, and compresses those that are long.
func (f Files) Zip(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(f)) {
		header := zip.FileHeader{Name: name}
		if len(f[name]) > 64<<10 {
			header.Method = zip.Deflate
		}
		file, err := w.CreateHeader(&header)
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

// March is the period of the tests.
func March(from, until int) audit.Period {
	return audit.Period{From: Moment(from, 0, 0), Until: Moment(until, 0, 0), Zone: "UTC"}
}
