package archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Repair says what [Archive.Repair] repairs.
type Repair struct {
	Sinks []string // into which objects are copied; none = all

	// Progress is told after each problem. It must not block. May be nil.
	Progress func(done, of int, bytes int64)
}

// Repair copies what a verification found to be lacking into the sinks that lack it, from
// others: reports that are missing, and slots, gap records, plans and acknowledgements
// that are not mirrored. It also copies what the verification does not call a problem:
// slots that a sink is to keep by today's configuration and lacks.
//
// Every byte is checked before it is passed on. A record has to be one that the ledger has
// an entry of, if there is a ledger; a report has to be what such a manifest says; an
// acknowledgement comes from the first sink alone. Nothing is replaced: of what is
// damaged, the problem's detail then says where a good copy is and what to do.
//
// What was repaired is no problem of the result any more. Problems that only the ledger
// shows are added to it. An error is of a sink or a ledger that can't be read or written;
// the result is valid beside it.
func (a *Archive) Repair(ctx context.Context, result *Result, o Repair) error {
	if _, err := (Selection{Sinks: o.Sinks}).Targets(a.Sinks); err != nil {
		return err
	}
	r := &repairing{Repair: o, result: result, sinks: a.Sinks, fixed: make(map[*Problem]bool)}
	r.copier = &copier{Archive: a, from: a.Sinks, problem: r.note, bad: make(map[place]bool)}
	for _, p := range result.Problems {
		if p.Kind == Malformed || p.Kind == Unlogged {
			r.bad[place{p.Sink, p.Key}] = true
		}
	}
	var work []*Problem
	for _, list := range [][]Problem{result.Problems, result.Lacking} {
		for i, p := range list {
			if (len(o.Sinks) == 0 || slices.Contains(o.Sinks, p.Sink)) && slices.Contains([]Kind{Missing, Unmirrored, Altered, Malformed, Divergent}, p.Kind) {
				work = append(work, &list[i])
			}
		}
	}
	if len(work) == 0 {
		return nil
	}
	var err error
	if r.vouched, err = vouches(ctx, a.Entries); err != nil {
		return fmt.Errorf("nothing was repaired, as the ledger could not be read: %w", err)
	}
	err = r.all(ctx, work)
	result.Repaired += r.objects
	result.RepairedBytes += r.bytes
	result.Problems, result.Lacking = r.rest(result.Problems), r.rest(result.Lacking)
	result.Problems = append(result.Problems, r.found...)
	return err
}

// repairing is a run of Repair.
type repairing struct {
	Repair
	*copier
	result *Result
	sinks  []Target

	mu      sync.Mutex
	objects int
	bytes   int64
	done    int
	fixed   map[*Problem]bool // those that are none any more
	found   []Problem         // that the verification did not
}

// rest returns the problems that were not repaired.
func (r *repairing) rest(all []Problem) []Problem {
	rest := []Problem{}
	for i := range all {
		if !r.fixed[&all[i]] {
			rest = append(rest, all[i])
		}
	}
	return rest
}

// note notes a problem that was met on the way, unless the verification found it.
func (r *repairing) note(p Problem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	same := func(q Problem) bool {
		return p.Sink == q.Sink && p.Key == q.Key && (p.Kind == q.Kind || p.Kind == Altered)
	}
	if !slices.ContainsFunc(r.result.Problems, same) && !slices.ContainsFunc(r.found, same) {
		r.found = append(r.found, p)
	}
}

// all works on the problems, some of them side by side. A sink that can't be used ends
// it.
func (r *repairing) all(ctx context.Context, work []*Problem) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, p := range work {
		g.Go(func() error {
			if err := sink.Ended(ctx); err != nil {
				return err
			}
			err := r.one(ctx, p)
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.done++; r.Progress != nil {
				r.Progress(r.done, len(work), r.bytes)
			}
			return err
		})
	}
	return g.Wait()
}

// one repairs one problem, or says in its detail why not.
func (r *repairing) one(ctx context.Context, p *Problem) error {
	to := r.sinks[slices.IndexFunc(r.sinks, func(t Target) bool { return t.Name == p.Sink })]
	if p.Kind != Missing && p.Kind != Unmirrored {
		return r.explain(ctx, p)
	}
	objects, n, err := r.copyTo(ctx, p.Key, to)
	switch reason := fault.Of(err); {
	case err == nil:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.fixed[p], r.objects, r.bytes = true, r.objects+objects, r.bytes+n
		r.Metrics.repaired.WithLabelValues(to.Name).Add(float64(objects))
		level := slog.LevelDebug
		if p.Kind == Missing { // it was there
			level = slog.LevelWarn
		}
		r.Logger.Log(ctx, level, "object repaired", "sink", to.Name, "key", p.Key, "kind", p.Kind, "bytes", n)
	case errors.Is(err, sink.ErrNotExist):
		p.amend("no sink has a copy that %s vouches for", r.voucher())
	case reason == fault.SinkUnavailable || reason == fault.SinkDenied && !errors.Is(err, evidence.ErrDenied) || ctx.Err() != nil:
		return fmt.Errorf("repairing %s in sink %s: %w", p.Key, to.Name, err)
	default:
		p.amend("it could not be repaired: %v", err)
	}
	return nil
}

// voucher names what vouches for copies.
func (r *repairing) voucher() string {
	if r.vouched == nil {
		return "a manifest"
	}
	return "the ledger"
}

// amend adds to what a problem says.
func (p *Problem) amend(format string, args ...any) { p.Detail += "; " + fmt.Sprintf(format, args...) }

// copyTo copies what belongs to a key to a sink that lacks it, and says how many objects
// and bytes that is.
func (r *repairing) copyTo(ctx context.Context, key string, to Target) (objects int, n int64, err error) {
	s, name, ok := evidence.ParseKey(key)
	switch {
	case evidence.IsPlan(key):
		p, err := r.plan(ctx, key)
		if err != nil {
			return 0, 0, err
		}
		return 1, 0, r.putPlan(ctx, p, func(t Target) bool { return t.Name == to.Name })
	case !ok:
		return 0, 0, sink.NotExist(key)
	case s.Due.After(time.Now()):
		return 0, 0, fault.New(fault.Request, "the slot has not fallen due")
	case evidence.IsAck(name), name == evidence.GapName:
		raw, err := r.record(ctx, s, name)
		if err == nil {
			err = r.putRecord(ctx, s, name, raw, to)
		}
		return 1, int64(len(raw)), err
	}
	m, raw, err := r.manifest(ctx, s)
	if err != nil {
		return 0, 0, err
	}
	switch pruned := r.vouched.pruned(m); {
	case pruned && name != evidence.ManifestName:
		return 0, 0, prunedError(s)
	case pruned:
		return 1, 0, r.putRecord(ctx, s, evidence.ManifestName, raw, to)
	}
	if objects = 1; name == evidence.ManifestName {
		objects = 2
	}
	return objects, m.Size, r.seal(ctx, m, raw, to)
}

// plan reads a plan from the first sink that has a good one: its key has its hash.
func (r *repairing) plan(ctx context.Context, key string) (p evidence.Plan, err error) {
	from := slices.DeleteFunc(slices.Clone(r.sinks), func(t Target) bool { return r.bad[place{t.Name, key}] })
	p, _, err = readFirst(ctx, from, key, func(b []byte) (evidence.Plan, error) { return evidence.DecodePlan(b, key) })
	return p, err
}

// record reads a gap record or an acknowledgement. No ledger has an entry of the latter:
// what counts is what the first sink has.
func (r *repairing) record(ctx context.Context, s evidence.Slot, name string) (raw []byte, err error) {
	if name == evidence.GapName {
		return r.gap(ctx, s)
	}
	key := s.Dir() + name
	_, raw, err = readFirst(ctx, r.sinks[:1], key, func(b []byte) (evidence.Ack, error) { return evidence.DecodeAck(b, key) })
	return raw, err
}

// explain says what is to be done with an object that is damaged.
func (r *repairing) explain(ctx context.Context, p *Problem) error {
	if p.Kind == Divergent && r.vouched == nil {
		p.amend("which of the two is right is not known without a ledger")
		return nil
	}
	good, err := r.goodCopy(ctx, p.Key)
	switch {
	case ctx.Err() != nil:
		return sink.Ended(ctx)
	case errors.Is(err, sink.ErrNotExist):
		p.amend("no sink has a copy that %s vouches for", r.voucher())
	case err != nil:
		p.amend("whether another sink has a good copy is not known: %v", err)
	case good.Name == p.Sink:
		p.amend("%s vouches for this one", r.voucher())
	default:
		p.amend("sink %s has a good copy; nothing is replaced: move this one away with the store's own tools (where it keeps versions, remove the newer one), and repair again", good.Name)
	}
	return nil
}

// goodCopy returns the first sink that has what is vouched for under a key.
func (r *repairing) goodCopy(ctx context.Context, key string) (from Target, err error) {
	s, name, ok := evidence.ParseKey(key)
	switch {
	case !ok:
		return from, sink.NotExist(path.Base(key))
	case name == evidence.GapName:
		_, _, from, err = pick(ctx, r.copier, key, func(b []byte) (evidence.Gap, error) { return evidence.DecodeGap(b, s) })
		return from, err
	case evidence.IsAck(name):
		_, err = r.record(ctx, s, name)
		return r.sinks[0], err
	}
	m, _, from, err := pick(ctx, r.copier, s.ManifestKey(), func(b []byte) (evidence.Manifest, error) { return evidence.DecodeManifest(b, s) })
	if err != nil || name == evidence.ManifestName {
		return from, err
	}
	b, from, err := r.report(ctx, m)
	if err == nil {
		err = b.Close()
	}
	return from, err
}

// wants notes what sinks lack without its being a problem: gap records, which are copied
// when a listing meets them, and slots that a sink is to keep since the configuration
// was changed.
func (v *verifying) wants(ctx context.Context, sinks []Target) {
	lacks := func(s evidence.Slot, key string, has func(Target) bool) {
		names := v.keeping(ctx, s.Ref())
		for _, t := range sinks {
			if !has(t) && !v.isGone(t, key) && !v.isPlanted(t, key) && (names == nil || slices.Contains(names, t.Name)) {
				v.result.Lacking = append(v.result.Lacking, Problem{Kind: Unmirrored, Sink: t.Name, Key: key, Detail: "it is to be kept here by the configuration"})
			}
		}
	}
	for s, have := range v.raw {
		if asked := v.asked[s]; asked != nil {
			lacks(s, s.ManifestKey(), func(t Target) bool { _, has := have[t.Name]; return has || slices.Contains(asked, t.Name) })
		}
	}
	for s, have := range v.gapAt {
		lacks(s, s.GapKey(), func(t Target) bool { _, has := have[t.Name]; return has })
	}
}
