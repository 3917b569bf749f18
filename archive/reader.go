package archive

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path"
	"slices"
	"sync"
	"time"

	"packseal.example/archive/catalog"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/trace"
	"packseal.example/sink"
)

// reader reads what the sinks hold.
type reader struct {
	sinks  []Target
	logger *slog.Logger
	copies bool                                             // gap records that a sink lacks are to be copied to it
	keep   func(context.Context, evidence.PackRef) []string // Options.Keep
	pruned func(context.Context) (map[string]string, error) // Options.Pruned

	mu       sync.Mutex
	gaps     map[evidence.Slot]bool // whose records a sink may lack
	suspects map[evidence.Slot]bool // of which a sink has a planted record
	warned   map[refusal]time.Time  // when it was logged last
}

// refusal is why a sink can't be listed.
type refusal struct {
	sink   string
	reason fault.Reason
}

// warnAgain is when a warning of a sink is repeated whose cause goes on.
const warnAgain = 10 * time.Minute

func newReader(o Options) *reader {
	return &reader{sinks: o.Sinks, logger: o.Logger, copies: o.Spool != nil, keep: o.Keep, pruned: o.Pruned, gaps: make(map[evidence.Slot]bool), suspects: make(map[evidence.Slot]bool), warned: make(map[refusal]time.Time)}
}

// found is what the sinks hold of one slot: which of them have its manifest,
// and which a gap record. A slot can have both: a gap was recorded by one
// replica, or in one sink, while another had the report on its way. Then the
// manifest counts, as evidence is better than its absence.
type found struct {
	manifest, gap []Target
	deleted       []deletion // of records, in sinks that have none of the slot
	planted       []planting
}

// add adds a sink that has the record of that name.
func (f *found) add(name string, t Target) {
	if name == evidence.ManifestName {
		f.manifest = append(f.manifest, t)
	} else {
		f.gap = append(f.gap, t)
	}
}

// of returns the sinks that have the record of that name.
func (f *found) of(name string) []Target {
	if name == evidence.ManifestName {
		return f.manifest
	}
	return f.gap
}

// read reads the slot's record, which some sink has: from the manifest, where one
// has that, or else the gap record. The Record beside an error is slot and state.
func (f *found) read(ctx context.Context, s evidence.Slot) (r evidence.Record, m evidence.Manifest, raw []byte, err error) {
	if r = (evidence.Record{Slot: s, State: evidence.Sealed}); len(f.manifest) > 0 {
		if m, raw, err = manifest(ctx, f.manifest, s); err == nil {
			r = m.Record()
		}
		return r, m, raw, err
	}
	r.State = evidence.Gapped
	g, raw, err := gap(ctx, f.gap, s)
	if err == nil {
		r = g.Record()
	}
	return r, m, raw, err
}

// settled reports whether the slot has ended: there is a record of it, or one was
// deleted.
func (f *found) settled() bool { return len(f.manifest)+len(f.gap)+len(f.deleted) > 0 }

// find asks every sink what it holds of a slot. A sink that can't
// be asked is logged; it is an error when none can that is to keep the slot's report.
func (r *reader) find(ctx context.Context, s evidence.Slot) (f *found, err error) {
	ctx, span := trace.Begin(ctx, "index")
	defer func() { span.End(err) }()
	var errs []error
	asked := false
	f = new(found)
	names := r.keeping(ctx, s.Ref())
	for _, t := range r.sinks {
		if err := f.ask(ctx, t, s); err != nil {
			errs = append(errs, r.unlisted(ctx, t, s.Dir(), err))
		} else if names == nil || slices.Contains(names, t.Name) {
			asked = true
		}
	}
	if len(f.planted) > 0 {
		r.suspect(s)
	}
	if !asked && (!f.settled() || len(errs) == len(r.sinks)) {
		return f, errors.Join(errs...)
	}
	return f, nil
}

// ask adds what one sink holds of a slot or, if that is nothing, what was deleted.
func (f *found) ask(ctx context.Context, t Target, s evidence.Slot) error {
	before := len(f.manifest) + len(f.gap)
	for e, err := range t.List(ctx, s.Dir(), "") {
		if err != nil {
			return err
		}
		switch of, name, ok := record(e.Key); {
		case !ok || of != s:
		case s.Planted(e.ModTime):
			f.planted = append(f.planted, planting{t, name, e})
		default:
			f.add(name, t)
		}
	}
	if len(f.manifest)+len(f.gap) > before {
		return nil
	}
	deletions, err := sink.Deletions(ctx, t.Sink, s.Dir())
	for _, d := range deletions {
		if of, _, ok := record(d.Key); ok && of == s && !s.Planted(d.Stored) {
			f.deleted = append(f.deleted, deletion{t, d})
		}
	}
	return err
}

// record returns the slot and the name of a record by its key.
func record(key string) (s evidence.Slot, name string, ok bool) {
	s, name, ok = evidence.ParseKey(key)
	return s, name, ok && (name == evidence.ManifestName || name == evidence.GapName)
}

// unlisted logs that a sink can't be listed: not for each pack and slot that meets
// it, but once for each reason, and again after warnAgain.
func (r *reader) unlisted(ctx context.Context, t Target, prefix string, err error) error {
	why, level := refusal{t.Name, fault.Of(err)}, slog.LevelDebug
	r.mu.Lock()
	if at, ok := r.warned[why]; !ok || time.Since(at) >= warnAgain {
		r.warned[why], level = time.Now(), slog.LevelWarn
	}
	r.mu.Unlock()
	r.logger.Log(ctx, level, "sink not listed", "sink", t.Name, "prefix", prefix, "reason", why.reason, "err", err, "hint", fault.Hint(err))
	return fmt.Errorf("listing sink %s: %w", t.Name, err)
}

// listing is one sink's records of a pack, slot by slot.
type listing struct {
	Target
	next func() (sink.Entry, error, bool)
	pack evidence.PackRef
	slot evidence.Slot // zero = there are no more
	name []string      // of its records
	held evidence.Slot // of the record that was read ahead,
	read string        // and its name

	suspect func(evidence.Slot) // is told of slots with a planted record
}

// advance goes to the next slot. Slots that are not listed in their order are an
// error: those before would be taken for missing.
func (l *listing) advance() error {
	before := l.slot
	if err := l.step(); err != nil || l.slot.Pack == "" || l.slot.Due.After(before.Due) {
		return err
	}
	return fault.New(fault.SinkUnavailable, "it lists %s after %s", l.slot, before).
		WithHint("packseal needs a store that lists keys in byte order: see docs/storage.md")
}

// step is advance, whatever comes.
func (l *listing) step() error {
	l.slot, l.name = l.held, nil
	if l.read != "" {
		l.name = append(l.name, l.read)
	}
	l.held, l.read = evidence.Slot{}, ""
	for {
		e, err, more := l.next()
		if err != nil || !more {
			return err
		}
		s, name, ok := record(e.Key)
		switch {
		case !ok || s.Ref() != l.pack: // an account group is a folder, too
		case s.Planted(e.ModTime):
			l.suspect(s)
		case l.slot == evidence.Slot{} || s == l.slot:
			l.slot, l.name = s, append(l.name, name)
		default:
			l.held, l.read = s, name
			return nil
		}
	}
}

// List yields the pack's settled slots that are due in [from, to), in order,
// from all sinks that can be asked; see [catalog.Archive].
func (r *reader) List(ctx context.Context, source, pack string, from, to time.Time) iter.Seq2[catalog.Listed, error] {
	return func(yield func(catalog.Listed, error) bool) {
		span := Span{evidence.Ref(source, pack), from, to}
		var errs []error
		var lists []*listing
		advance := func(l *listing) bool {
			err := l.advance()
			if err != nil {
				errs = append(errs, r.unlisted(ctx, l.Target, evidence.PackDir(source, pack), err))
			}
			return err == nil && l.slot != evidence.Slot{} && (to.IsZero() || l.slot.Due.Before(to))
		}
		for _, t := range r.sinks {
			next, stop := iter.Pull2(span.list(ctx, t))
			defer stop()
			if l := (&listing{Target: t, next: next, pack: span.PackRef, suspect: r.suspect}); advance(l) {
				lists = append(lists, l)
			}
		}
		for len(lists) > 0 {
			first := slices.MinFunc(lists, func(x, y *listing) int { return x.slot.Due.Compare(y.slot.Due) }).slot
			f := new(found)
			lists = slices.DeleteFunc(lists, func(l *listing) bool {
				if l.slot != first {
					return false
				}
				for _, name := range l.name {
					f.add(name, l.Target)
				}
				return !advance(l)
			})
			if !yield(r.listed(ctx, first, f), nil) {
				return
			}
		}
		switch {
		case len(errs) == len(r.sinks):
			yield(catalog.Listed{}, errors.Join(errs...))
		case len(errs) > 0:
			yield(catalog.Listed{}, fmt.Errorf("%w: %w", catalog.ErrIncomplete, errors.Join(errs...)))
		}
	}
}

// listed is what was found of a slot, as a listing shows it. A gap record that a
// sink lacks is noted.
func (r *reader) listed(ctx context.Context, s evidence.Slot, f *found) catalog.Listed {
	if len(f.manifest) > 0 {
		return catalog.Listed{Slot: s, State: evidence.Sealed}
	}
	if wanting := r.chosen(r.keeping(ctx, s.Ref())); r.copies && len(f.lacking(evidence.GapName, wanting)) > 0 {
		r.uncopied(s)
	}
	return catalog.Listed{Slot: s, State: evidence.Gapped}
}

// uncopied notes that a sink may lack the slot's gap record.
func (r *reader) uncopied(s evidence.Slot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gaps[s] = true
}

// readFirst reads a record from the first of the sinks that gives a good one.
// The error is sink.ErrNotExist only when all of them say so, or there is none.
func readFirst[T any](ctx context.Context, from []Target, key string, decode func([]byte) (T, error)) (v T, raw []byte, err error) {
	for _, t := range from {
		v, raw, e := readRecord(ctx, t, key, decode)
		if e == nil {
			return v, raw, nil
		}
		if err == nil || !errors.Is(e, sink.ErrNotExist) && (errors.Is(err, sink.ErrNotExist) || evidence.Unreadable(err)) {
			err = fmt.Errorf("sink %s: %w", t.Name, e)
		}
	}
	if err == nil {
		err = sink.ErrNotExist // there was none to ask
	}
	return v, nil, fmt.Errorf("reading %s: %w", key, err)
}

// readRecord reads a record from one sink.
func readRecord[T any](ctx context.Context, t Target, key string, decode func([]byte) (T, error)) (v T, raw []byte, err error) {
	if raw, err = readRaw(ctx, t, key); err != nil {
		return v, nil, err
	}
	v, err = decode(raw)
	return v, raw, err
}

// readRaw is readRecord without decoding.
func readRaw(ctx context.Context, t Target, key string) ([]byte, error) {
	raw, err := sink.ReadAll(ctx, t, key, evidence.MaxRecord)
	return raw, denied(ctx, t, key, err)
}

// denied makes a sink's refusal to read an object evidence.ErrDenied if the sink lists
// the object. Some refuse to read what is not there as well.
func denied(ctx context.Context, t Target, key string, err error) error {
	if fault.Of(err) != fault.SinkDenied {
		return err
	}
	for e, listErr := range t.List(ctx, path.Dir(key)+"/", "") {
		if listErr != nil {
			break
		}
		if e.Key == key {
			return fmt.Errorf("%w: %w", evidence.ErrDenied, err)
		}
	}
	return err
}

// elsewhere reports whether a record is there and good for all that is known: a
// newer program can read it, or this one when it is restored. Its name says how
// the slot ended.
func elsewhere(err error) bool { return evidence.Unreadable(err) && fault.Of(err) != fault.Damaged }

// manifest reads a slot's manifest.
func manifest(ctx context.Context, from []Target, s evidence.Slot) (evidence.Manifest, []byte, error) {
	return readFirst(ctx, from, s.ManifestKey(), func(b []byte) (evidence.Manifest, error) { return evidence.DecodeManifest(b, s) })
}

// gap reads a slot's gap record.
func gap(ctx context.Context, from []Target, s evidence.Slot) (evidence.Gap, []byte, error) {
	return readFirst(ctx, from, s.GapKey(), func(b []byte) (evidence.Gap, error) { return evidence.DecodeGap(b, s) })
}

// Record reads the record of a slot: that of its state, or, when that is empty,
// the manifest or else the gap record. It asks one sink after the other, until
// one has a good one; see [catalog.Archive] for the errors.
func (r *reader) Record(ctx context.Context, l catalog.Listed) (evidence.Record, error) {
	if l.State == "" { // nobody may have listed it: a planted record is a suspect then
		if _, err := r.find(ctx, l.Slot); err != nil {
			return evidence.Record{}, err
		}
	}
	if l.State != evidence.Gapped {
		m, _, err := r.Manifest(ctx, l.Slot)
		if err == nil || l.State == evidence.Sealed || !errors.Is(err, sink.ErrNotExist) {
			return r.mark(ctx, m.Record()), err
		}
	}
	from, err := r.rightful(ctx, l.Slot, evidence.GapName)
	if err != nil {
		return evidence.Record{}, err
	}
	g, _, err := gap(ctx, from, l.Slot)
	return g.Record(), err
}
