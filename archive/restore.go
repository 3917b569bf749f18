package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Restore says what [Archive.Restore] copies, and where to.
type Restore struct {
	Selection         // Sinks are where it is read from, in the order of the configuration. Sample and Part are not for it
	To        Target  // a sink of its own
	Entries   Entries // the ledger's; nil = there is none
}

// Restored is what [Archive.Restore] has found and copied.
type Restored struct {
	Sealed   int       `json:"sealed"` // slots that are whole in the folder: with their report, or without it where that was pruned
	Gaps     int       `json:"gaps"`
	Objects  int       `json:"objects"` // that are in the folder and were checked
	Copied   int       `json:"copied"`  // reports that were not there before
	Bytes    int64     `json:"bytes"`   // of objects that were read from sinks
	Unread   int       `json:"unread"`  // slots of which the store does not let us read an object, such as one in an archive tier
	Problems []Problem `json:"problems"`
}

// Restore copies slots with all that belongs to them to another sink, as if it had been
// one of the archive's from the beginning; and plans, where no ledger has them. Every byte is checked: records
// against the ledger's entries, where there is a ledger, and reports against their
// manifests. Of each object it takes the first copy that is as it should be; others are
// problems, as are records that the ledger has no entry of, which are copied all the same,
// and entries of which no sink has the record. What To has is not replaced; a report that it
// has already is checked there and not read again. An error is of a sink that can't be
// read or written.
func (a *Archive) Restore(ctx context.Context, o Restore) (Restored, error) {
	from, err := o.Targets(a.Sinks)
	r := &restoring{Restore: o, result: Restored{Problems: []Problem{}}, kept: make(map[string]bool)}
	r.copier = &copier{Archive: a, from: from, problem: r.note, bad: make(map[place]bool), unlogged: true}
	if err == nil {
		r.vouched, err = vouches(ctx, o.Entries)
	}
	if err != nil {
		return r.result, err
	}
	slots, plans, err := r.list(ctx)
	if err == nil {
		err = r.all(ctx, slots, plans)
	}
	if err == nil && o.Entries != nil {
		err = r.unarchived(ctx)
	}
	if err == nil && r.result.Unread > 0 {
		err = fmt.Errorf("%d slots could not be read, such as: %w", r.result.Unread, r.refused)
	}
	slices.SortFunc(r.result.Problems, func(x, y Problem) int { return strings.Compare(x.Key+"\x00"+x.Sink, y.Key+"\x00"+y.Sink) })
	return r.result, err
}

// restoring is a run of Restore.
type restoring struct {
	Restore
	*copier

	mu     sync.Mutex
	result Restored
	kept   map[string]bool // keys of manifests and gap records that To has
	done   int

	refused error // why one of the slots could not be read
}

// note adds a problem.
func (r *restoring) note(p Problem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Problems = append(r.result.Problems, p)
}

// list returns the names of the selected slots' objects, and the keys of plans, of all
// sinks together. All of them have to answer.
func (r *restoring) list(ctx context.Context) (slots map[evidence.Slot]map[string]bool, plans map[string]bool, err error) {
	slots, plans = make(map[evidence.Slot]map[string]bool), make(map[string]bool)
	for _, t := range r.from {
		for e, err := range r.entries(ctx, t) {
			if err != nil {
				return nil, nil, fmt.Errorf("listing sink %s: %w", t.Name, err)
			}
			if evidence.IsPlan(e.Key) {
				if r.Entries == nil {
					plans[e.Key] = true
				}
			} else if s, _, ok := record(e.Key); ok && s.Planted(e.ModTime) {
				r.bad[place{t.Name, e.Key}] = true
				r.tell(plantedKind(r.vouched.against(e.Key, nil) == Unlogged), t, e.Key, "%s", why(s, e))
			} else if s, name, ok := evidence.ParseKey(e.Key); ok {
				if slots[s] == nil {
					slots[s] = make(map[string]bool)
				}
				slots[s][name] = true
			}
		}
	}
	return slots, plans, nil
}

// all copies the plans and the slots, some of them side by side.
func (r *restoring) all(ctx context.Context, slots map[evidence.Slot]map[string]bool, plans map[string]bool) error {
	for _, key := range slices.Sorted(maps.Keys(plans)) {
		_, raw, _, err := pick(ctx, r.copier, key, func(b []byte) (evidence.Plan, error) { return evidence.DecodePlan(b, key) })
		if err = r.put(ctx, key, raw, sink.About{}, err); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, s := range slices.SortedFunc(maps.Keys(slots), byDue) {
		g.Go(func() error {
			if err := sink.Ended(ctx); err != nil {
				return err
			}
			err := r.slot(ctx, s, slots[s])
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.done++; r.Progress != nil {
				r.Progress(Progress{r.To.Name, r.done, len(slots), r.result.Bytes})
			}
			if fault.Of(err) == fault.NotRestored || errors.Is(err, evidence.ErrDenied) {
				r.result.Unread++
				r.refused = cmp.Or(r.refused, err)
				return nil
			}
			return err
		})
	}
	return g.Wait()
}

// slot copies a slot: the report, then the manifest, then the other records.
func (r *restoring) slot(ctx context.Context, s evidence.Slot, names map[string]bool) error {
	if names[evidence.ManifestName] {
		if err := r.sealed(ctx, s); err != nil {
			return err
		}
	}
	if names[evidence.GapName] {
		raw, err := r.gap(ctx, s)
		if err = r.put(ctx, s.GapKey(), raw, r.aboutRecord(s, "", evidence.GapName), err); err != nil {
			return err
		}
	}
	for name := range names {
		if !evidence.IsAck(name) {
			continue
		}
		key := s.Dir() + name
		_, raw, err := readFirst(ctx, r.from, key, func(b []byte) (evidence.Ack, error) { return evidence.DecodeAck(b, key) })
		if evidence.Unreadable(err) && !errors.Is(err, evidence.ErrDenied) {
			r.tell(Malformed, r.from[0], key, "%v", err)
			continue
		}
		if err = r.put(ctx, key, raw, r.aboutRecord(s, "", "ack.json"), err); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.kept[s.ManifestKey()]:
		r.result.Sealed++
	case r.kept[s.GapKey()]:
		r.result.Gaps++
	}
	return nil
}

// sealed copies a slot's report and manifest. Without its report, a manifest is copied
// only if that was pruned.
func (r *restoring) sealed(ctx context.Context, s evidence.Slot) error {
	m, raw, err := r.manifest(ctx, s)
	if err == nil {
		err = r.restoreReport(ctx, m)
		if errors.Is(err, sink.ErrNotExist) {
			if !r.vouched.pruned(m) {
				r.note(Problem{Kind: Missing, Key: m.ReportKey(), Detail: "no sink has it as its manifest says"})
				return nil
			}
			err = nil
		}
		if fault.Of(err) == fault.Conflict {
			return nil // noted: of another report there is no manifest
		}
	}
	return r.put(ctx, s.ManifestKey(), raw, r.aboutRecord(s, m.Name, evidence.ManifestName), err)
}

// restoreReport copies the report of a manifest, unless To has it.
func (r *restoring) restoreReport(ctx context.Context, m evidence.Manifest) error {
	err := check(ctx, r.To, m, io.Discard)
	if fault.Of(err) == fault.Damaged && !errors.Is(err, errAbsent) {
		r.tell(Altered, r.To, m.ReportKey(), "it is another file, which stays as it is")
		return fault.New(fault.Conflict, "%s", m.ReportKey())
	}
	if errors.Is(err, errAbsent) {
		var b body
		if b, _, err = r.report(ctx, m); err != nil {
			return err
		}
		defer b.Close() //nolint:errcheck // read only
		err = r.To.Put(ctx, m.ReportKey(), sink.Content{ReaderAt: b, Size: m.Size, SHA256: reportOf(m).Sum(), About: r.aboutReport(m)})
		if err == nil {
			r.mu.Lock()
			r.result.Copied++
			r.result.Bytes += m.Size
			r.mu.Unlock()
		}
	}
	if err == nil {
		r.mu.Lock()
		r.result.Objects++
		r.mu.Unlock()
		return nil
	}
	return fmt.Errorf("restoring %s: %w", m.ReportKey(), err)
}

// put puts a record to its place, if reading it was no error. That there is none to be
// passed on was noted.
func (r *restoring) put(ctx context.Context, key string, raw []byte, about sink.About, err error) error {
	if errors.Is(err, sink.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	content := sink.Bytes(raw)
	content.About = about
	err = r.To.Put(ctx, key, content)
	if fault.Of(err) == fault.Conflict {
		r.tell(Altered, r.To, key, "it is another file, which stays as it is")
		return nil
	}
	if err != nil {
		return fmt.Errorf("restoring %s: %w", key, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Objects++
	r.result.Bytes += int64(len(raw))
	r.kept[key] = true
	return nil
}

// unarchived notes the selected records that the ledger has entries of and no sink has.
func (r *restoring) unarchived(ctx context.Context) error {
	lacks := make(map[string]bool)
	for e, err := range r.Entries(ctx) {
		if err != nil {
			return err
		}
		key := strings.TrimPrefix(e.Key, tree.FoundKey(""))
		s, name, ok := evidence.ParseKey(key)
		if ok && (name == evidence.ManifestName || name == evidence.GapName) && r.has(s) && !r.kept[key] {
			lacks[key] = true
		}
	}
	for key := range lacks {
		report := strings.TrimSuffix(key, evidence.ManifestName) + "report-"
		same := func(p Problem) bool { return p.Key == key || strings.HasPrefix(p.Key, report) }
		if !slices.ContainsFunc(r.result.Problems, same) {
			r.note(Problem{Kind: Unarchived, Key: key, Detail: "the ledger has an entry of it, and no sink has it"})
		}
	}
	return nil
}
