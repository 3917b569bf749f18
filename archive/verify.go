package archive

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// verifying is a run of Verify. Of manifests only their digests are kept, and
// of reports nothing, so that memory grows with the number of slots alone.
type verifying struct {
	Selection
	mu     sync.Mutex
	result Result
	raw    map[evidence.Slot]map[string][sha256.Size]byte // slot → sink → digest of its manifest; zero = not read
	gaps   map[evidence.Slot]bool                         // with a gap record in some sink
	gapAt  map[evidence.Slot]map[string][sha256.Size]byte // the same of gap records
	asked  map[evidence.Slot][]string                     // the sinks that were to keep its report; none = all
	gone   map[string]map[string]sink.Deletion            // sink → key
	lost   map[evidence.Slot]bool                         // which have vanished, or are in no sink although the ledger has an entry

	planted map[place]string // records that settle nothing, and why

	logWithin time.Duration
	young     map[place]bool  // records that were written since
	own       map[string]bool // the ledger's own records that some sink has

	pruned   map[string]string // report → its SHA-256; see Options.Pruned
	unpruned error             // why that is not known
	unsure   bool              // a report is not there, and whether it was pruned is not known

	keeping func(context.Context, evidence.PackRef) []string // by the configuration
	spooled func(evidence.Slot) (fetcher.Report, bool)       // nil = none
	waiting map[evidence.Slot]bool                           // whose reports the spool holds

	part    *part
	refused error // why one of the objects could not be read

	planned map[string][]string // plan → the sinks that have it
	plans   map[string]evidence.Plan

	acks  map[evidence.Slot][]evidence.Ack
	acked map[string]map[string][sha256.Size]byte // acknowledgement → sink → its digest; zero = not read
}

// orphanAge is how old an object without a manifest must be before it is
// called orphaned: a manifest follows its report within moments.
const orphanAge = 2 * time.Second

// Verify reads back the records and reports that are selected, and compares
// them: sizes, SHA-256, CRC-64, MD5, the sinks with one another, and all of them
// with what was seen before. What is wrong is a problem; the error is for sinks
// that could not be read to their end, and for objects that have to be restored
// first (fault.NotRestored) or may not be read (fault.SinkDenied). What could be
// read is in the result all the same.
func (a *Archive) Verify(ctx context.Context, s Selection) (Result, error) {
	v := &verifying{Selection: s, raw: make(map[evidence.Slot]map[string][sha256.Size]byte), gaps: make(map[evidence.Slot]bool), asked: make(map[evidence.Slot][]string), gone: make(map[string]map[string]sink.Deletion),
		gapAt: make(map[evidence.Slot]map[string][sha256.Size]byte), lost: make(map[evidence.Slot]bool), planned: make(map[string][]string), plans: make(map[string]evidence.Plan),
		acks: make(map[evidence.Slot][]evidence.Ack), acked: make(map[string]map[string][sha256.Size]byte)}
	v.result.Problems, v.keeping, v.spooled = []Problem{}, a.keeping, a.Spooled
	v.logWithin, v.young, v.own = cmp.Or(a.LogWithin, logWithin), make(map[place]bool), make(map[string]bool)
	v.planted = make(map[place]string)
	v.waiting, v.part = make(map[evidence.Slot]bool), s.Part.begin()
	if a.Pruned != nil {
		v.pruned, v.unpruned = a.Pruned(ctx)
	}
	wanted, err := s.Targets(a.Sinks)
	if err != nil {
		return v.result, err
	}
	var read []Target
	var errs []error
	for _, t := range wanted {
		if err := v.sink(ctx, t); err != nil {
			errs = append(errs, fmt.Errorf("verifying sink %s: %w", t.Name, err))
			continue
		}
		read = append(read, t)
	}
	if v.unpruned != nil && v.unsure {
		errs = append(errs, fmt.Errorf("reading what was pruned: %w", v.unpruned))
	}
	v.compare(read)
	v.wants(ctx, read)
	known, err := v.ledger(ctx, a, read)
	if err != nil {
		errs = append(errs, fmt.Errorf("comparing with the ledger: %w", err))
	}
	v.tellPlanted(known)
	if n := v.result.Unread; n > 0 {
		errs = append(errs, fmt.Errorf("%d objects could not be read, and were not checked, such as: %w", n, v.refused))
	}
	if a.Seen != nil && len(read) == len(a.Sinks) {
		if err := v.vanished(ctx, a); err != nil {
			errs = append(errs, fmt.Errorf("comparing with what was seen before: %w", err))
		}
	}
	if len(read) == len(a.Sinks) {
		if err := v.holes(ctx, a); err != nil {
			errs = append(errs, fmt.Errorf("comparing with what was due: %w", err))
		}
	}
	for s := range v.waiting {
		if v.raw[s] == nil && !v.gaps[s] {
			v.result.Pending++
		}
	}
	slices.SortFunc(v.result.Problems, func(x, y Problem) int {
		return strings.Compare(x.Sink+"\x00"+x.Key, y.Sink+"\x00"+y.Key)
	})
	v.acknowledge(time.Now())
	v.result.Place = v.part.end(v.result.Problems)
	return v.result, errors.Join(errs...)
}

// report notes a problem. It may be called from many goroutines.
func (v *verifying) report(sink string, k Kind, key, format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.result.Problems = append(v.result.Problems, Problem{Kind: k, Sink: sink, Key: key, Detail: fmt.Sprintf(format, args...)})
}

// sink reads one sink, slot by slot, some of them side by side.
func (v *verifying) sink(ctx context.Context, t Target) error {
	slots := make(map[string][]sink.Entry)
	for e, err := range v.entries(ctx, t) {
		if err != nil {
			return err
		}
		if evidence.IsLedger(e.Key) {
			v.ledgerRecord(e.Key)
			continue
		}
		if sink.IsProbe(e.Key) {
			continue
		}
		if evidence.IsPlan(e.Key) {
			v.noteAge(t, e)
			if err := v.plan(ctx, t, e.Key); err != nil {
				return err
			}
			continue
		}
		if _, _, ok := evidence.ParseKey(e.Key); !ok {
			v.report(t.Name, Orphaned, e.Key, "no slot has an object of this name")
			continue
		}
		dir := e.Key[:strings.LastIndexByte(e.Key, '/')+1]
		slots[dir] = append(slots[dir], e)
	}
	v.part.choose(slots)
	if err := v.deletions(ctx, t, slots); err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(8)
	done := 0
	for _, dir := range slices.Sorted(maps.Keys(slots)) {
		g.Go(func() error {
			err := v.slot(ctx, t, slots[dir])
			v.mu.Lock()
			defer v.mu.Unlock()
			if done++; v.Progress != nil {
				v.Progress(Progress{t.Name, done, len(slots), v.result.Bytes})
			}
			return err
		})
	}
	return g.Wait()
}

// slot reads one slot's folder.
func (v *verifying) slot(ctx context.Context, t Target, entries []sink.Entry) error {
	s, _, _ := evidence.ParseKey(entries[0].Key)
	var m evidence.Manifest
	var err error
	at := func(name string) int {
		return slices.IndexFunc(entries, func(e sink.Entry) bool { return e.Key == s.Dir()+name })
	}
	v.notePlanted(t, s, entries)
	if at(evidence.GapName) >= 0 && !v.isPlanted(t, s.GapKey()) {
		if err := v.gap(ctx, t, s); err != nil {
			return err
		}
	}
	entries, err = v.readAcks(ctx, t, s, entries)
	if err != nil || len(entries) == 0 {
		return err
	}
	pending := ""
	if at(evidence.ManifestName) < 0 {
		newest := slices.MaxFunc(entries, func(x, y sink.Entry) int { return x.ModTime.Compare(y.ModTime) })
		fault.Sleep(ctx, orphanAge-time.Since(newest.ModTime)) // it may be on its way
		pending = v.pending(s)
	}
	if err = sink.NotExist(s.ManifestKey()); !v.isPlanted(t, s.ManifestKey()) {
		m, err = v.manifest(ctx, t, s)
	}
	sealed := err == nil
	switch {
	case sealed:
		if err := v.readReport(ctx, t, m, entries); err != nil {
			return err
		}
	case v.unread(err):
		v.keep(ctx, t, s, [sha256.Size]byte{})
		return nil
	case fault.Of(err) == fault.Newer:
		v.report(t.Name, Newer, s.ManifestKey(), "%v", err)
		return nil // what else the slot should have, the manifest says to others
	case fault.Of(err) == fault.Damaged:
		v.report(t.Name, Malformed, s.ManifestKey(), "%v", err)
	case !errors.Is(err, sink.ErrNotExist):
		return err
	}
	for _, e := range entries {
		v.noteAge(t, e)
		name := e.Key[len(s.Dir()):]
		if !sealed && name == pending {
			continue
		}
		if name != evidence.ManifestName && name != evidence.GapName && (!sealed || name != m.Object) && !v.isGone(t, s.ManifestKey()) {
			v.report(t.Name, Orphaned, e.Key, "no manifest names this object of %d bytes", e.Size)
		}
	}
	return nil
}

// pending returns the name of a slot's report that waits in the spool, and notes that
// one does; empty if none does.
func (v *verifying) pending(s evidence.Slot) string {
	if v.spooled == nil {
		return ""
	}
	r, ok := v.spooled(s)
	if !ok {
		return ""
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.waiting[s] = true
	return objectName(r)
}

// unread reports whether an error says that an object is there and the store does not
// let us read it, at present or at all, and counts it.
func (v *verifying) unread(err error) bool {
	if fault.Of(err) != fault.NotRestored && !errors.Is(err, evidence.ErrDenied) {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.result.Unread++
	v.refused = cmp.Or(v.refused, err)
	return true
}

// keep keeps the digest of a slot's manifest.
func (v *verifying) keep(ctx context.Context, t Target, s evidence.Slot, sum [sha256.Size]byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.result.Sealed++
	if v.raw[s] == nil {
		v.raw[s] = make(map[string][sha256.Size]byte)
		v.ask(s, v.keeping(ctx, s.Ref())) // until a manifest says it
	}
	v.raw[s][t.Name] = sum
}

// manifest reads a slot's manifest and keeps its digest for compare.
func (v *verifying) manifest(ctx context.Context, t Target, s evidence.Slot) (evidence.Manifest, error) {
	raw, err := readRaw(ctx, t, s.ManifestKey())
	if err != nil {
		return evidence.Manifest{}, err
	}
	v.keep(ctx, t, s, sha256.Sum256(raw))
	m, err := evidence.DecodeManifest(raw, s)
	if err == nil {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.ask(s, m.Sinks)
	}
	return m, err
}

// ask notes which sinks were to keep a slot's report.
func (v *verifying) ask(s evidence.Slot, sinks []string) {
	if delete(v.asked, s); len(sinks) > 0 {
		v.asked[s] = sinks
	}
}

// gap reads a slot's gap record.
func (v *verifying) gap(ctx context.Context, t Target, s evidence.Slot) error {
	raw, err := readRaw(ctx, t, s.GapKey())
	var sum [sha256.Size]byte
	if err == nil {
		sum = sha256.Sum256(raw)
		_, err = evidence.DecodeGap(raw, s)
	}
	unread := v.unread(err)
	v.mu.Lock()
	if err == nil || unread {
		v.result.Gaps++
	}
	v.gaps[s] = err == nil || evidence.Unreadable(err)
	if v.gapAt[s] == nil {
		v.gapAt[s] = make(map[string][sha256.Size]byte)
	}
	v.gapAt[s][t.Name] = sum
	v.mu.Unlock()
	if unread {
		return nil
	}
	return v.unreadable(t, s.GapKey(), err)
}

// readReport reads a report back whole, if it is in the sample.
func (v *verifying) readReport(ctx context.Context, t Target, m evidence.Manifest, entries []sink.Entry) error {
	listed := slices.ContainsFunc(entries, func(e sink.Entry) bool { return e.Key == m.ReportKey() })
	if listed && !v.reads(t, m.Slot()) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.result.Skipped++
		return nil
	}
	n, altered, err := readReport(ctx, t, m, io.Discard)
	err = denied(ctx, t, m.ReportKey(), err)
	switch {
	case errors.Is(err, sink.ErrNotExist) && v.unpruned != nil: // nobody knows whether it should be there
		v.mu.Lock()
		v.unsure = true
		v.mu.Unlock()
		return v.readLocks(ctx, t, m, entries)
	case errors.Is(err, sink.ErrNotExist) && m.SHA256 != "" && v.pruned[m.ReportKey()] == m.SHA256:
		v.mu.Lock()
		v.result.Pruned++
		v.mu.Unlock()
		return v.readLocks(ctx, t, m, entries)
	case errors.Is(err, sink.ErrNotExist) && v.isGone(t, m.ReportKey()):
		v.report(t.Name, Deleted, m.ReportKey(), "%s", v.gone[t.Name][m.ReportKey()])
		return nil
	case errors.Is(err, sink.ErrNotExist):
		v.report(t.Name, Missing, m.ReportKey(), "the manifest names it with %d bytes and SHA-256 %s (listed: %t)", m.Size, m.SHA256, listed)
		return nil
	case v.unread(err):
		return nil
	case err != nil:
		return err
	case altered != "":
		v.report(t.Name, Altered, m.ReportKey(), "%s", altered)
	}
	v.mu.Lock()
	v.result.Bytes += n
	v.mu.Unlock()
	return v.readLocks(ctx, t, m, entries)
}
