package retention

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"packseal.example/archive"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Plan is what a run would remove.
type Plan struct {
	Keep    string    `json:"keep"`
	Policy  bool      `json:"policy_logged"` // the ledger has this policy; if not, Prune logs it first
	Before  time.Time `json:"before"`        // reports that fell due then or earlier are old enough
	Reports []Report  `json:"reports"`       // to be removed
	Kept    []Kept    `json:"kept"`          // old enough, and not to be removed

	// Unexplained is how many of the reports the schedule does not explain: those that
	// fell due more than [Usual] before or after the last one that was removed. Where
	// none was, they are compared with the oldest, and those that were old enough
	// before the policy was logged count, too.
	Unexplained int `json:"unexplained"`
}

// Report is a report to be removed.
type Report struct {
	evidence.Slot
	Object string   `json:"object"` // its key
	SHA256 string   `json:"sha256"` // hex
	Size   int64    `json:"size"`   // bytes
	Sinks  []string `json:"sinks"`  // which have it
	Begun  bool     `json:"begun"`  // the ledger has its entry: an earlier run was interrupted

	manifest tree.Entry
}

// Kept is a report that is old enough and stays.
type Kept struct {
	evidence.Slot
	Sink string `json:"sink,omitempty"` // that keeps it; empty: all
	Why  string `json:"why"`
}

// Usual bounds how far from the last report that was removed the next one may have
// fallen due. Schedules that prune at least once a month stay below it.
const Usual = 40 * 24 * time.Hour

// Plan looks what is to be removed now. Every sink must answer.
func (p *Pruner) Plan(ctx context.Context) (Plan, error) {
	l, err := p.read(ctx)
	if err != nil {
		return Plan{}, err
	}
	return p.plan(ctx, l, time.Now())
}

func (p *Pruner) plan(ctx context.Context, l logged, now time.Time) (Plan, error) {
	plan := Plan{Keep: p.Keep.String(), Before: p.Keep.Cutoff(now).Truncate(time.Second), Reports: []Report{}, Kept: []Kept{}}
	policy, since, err := p.policy(ctx, l)
	if err != nil {
		return plan, err
	}
	plan.Policy = policy.Keep == plan.Keep
	packs, err := p.Archive.Others(ctx, nil)
	if err != nil {
		return plan, fmt.Errorf("looking for packs: %w", err)
	}
	for _, pack := range packs {
		if err := p.pack(ctx, &plan, pack, l, now); err != nil {
			return plan, err
		}
	}
	if err := p.logged(ctx, &plan); err != nil {
		return plan, err
	}
	slices.SortStableFunc(plan.Reports, func(a, b Report) int { return a.Due.Compare(b.Due) })
	for _, r := range plan.Reports {
		last, backlog := l.last, false
		if last.IsZero() {
			last, backlog = plan.Reports[0].Due, !plan.Policy || !p.Keep.End(r.Due).After(since)
		}
		if !r.Begun && (backlog || r.Due.Sub(last).Abs() > Usual) {
			plan.Unexplained++
		}
	}
	return plan, nil
}

// logged keeps the reports whose manifests the ledger does not have: whoever put them
// into a sink must not have the ledger speak of them.
func (p *Pruner) logged(ctx context.Context, plan *Plan) error {
	wanted := make(map[tree.Entry]bool, len(plan.Reports)) // whether the ledger has it
	for _, r := range plan.Reports {
		wanted[r.manifest] = r.Begun
	}
	if len(wanted) > 0 {
		for e, err := range p.Ledger.Entries(ctx) {
			if err != nil {
				return fmt.Errorf("reading the ledger: %w", err)
			}
			e.Key = e.Object() // also of one that was found
			if _, ok := wanted[e]; ok {
				wanted[e] = true
			}
		}
	}
	plan.Reports = slices.DeleteFunc(plan.Reports, func(r Report) bool {
		if !wanted[r.manifest] {
			plan.Kept = append(plan.Kept, Kept{r.Slot, "", "the ledger has no entry of its manifest; if it is from before the ledger, packseal ledger adopt makes one"})
		}
		return !wanted[r.manifest]
	})
	return nil
}

// pack adds what is to be removed of one pack.
func (p *Pruner) pack(ctx context.Context, plan *Plan, pack evidence.PackRef, l logged, now time.Time) error {
	holds := make(map[evidence.Slot]map[string][]string) // slot → object → sinks
	for _, t := range p.Archive.Sinks {
		if err := p.list(ctx, t, pack, holds, now); err != nil {
			return fmt.Errorf("listing sink %s: %w", t.Name, err)
		}
	}
	newest, err := p.newest(ctx, pack)
	if err != nil {
		return err
	}
	slots := make([]evidence.Slot, 0, len(holds))
	for s, objects := range holds {
		if _, sealed := objects[evidence.ManifestName]; sealed && len(objects) > 1 && s.Due.Before(newest) {
			slots = append(slots, s)
		}
	}
	slices.SortFunc(slots, func(a, b evidence.Slot) int { return a.Due.Compare(b.Due) })
	for _, s := range slots {
		if err := p.slot(ctx, plan, s, holds[s], l, now); err != nil {
			return err
		}
	}
	return nil
}

// list adds the objects that a sink has of the pack's slots that are old enough.
func (p *Pruner) list(ctx context.Context, t archive.Target, pack evidence.PackRef, holds map[evidence.Slot]map[string][]string, now time.Time) error {
	for e, err := range t.List(ctx, evidence.PackDir(pack.Source, pack.Key()), "") {
		if err != nil {
			return err
		}
		s, name, ok := evidence.ParseKey(e.Key)
		if !ok || s.Ref() != pack || p.Keep.End(s.Due).After(now) {
			continue
		}
		if holds[s] == nil {
			holds[s] = make(map[string][]string)
		}
		holds[s][name] = append(holds[s][name], t.Name)
	}
	return nil
}

// newest returns when the pack's newest report fell due, which is never removed. It
// is the newest that is sealed in any sink.
func (p *Pruner) newest(ctx context.Context, pack evidence.PackRef) (newest time.Time, err error) {
	for l, err := range p.Archive.List(ctx, pack.Source, pack.Key(), time.Time{}, time.Time{}) {
		if err != nil {
			return newest, err // also of one sink alone: see Plan
		}
		if l.State == evidence.Sealed {
			newest = l.Due
		}
	}
	return newest, nil
}

// slot adds a slot's report to what is to be removed, or says why it stays.
func (p *Pruner) slot(ctx context.Context, plan *Plan, s evidence.Slot, objects map[string][]string, l logged, now time.Time) error {
	keep := func(sink, format string, args ...any) {
		plan.Kept = append(plan.Kept, Kept{s, sink, fmt.Sprintf(format, args...)})
	}
	m, _, err := p.Archive.Manifest(ctx, s)
	if evidence.Unreadable(err) {
		keep("", "its manifest can't be read: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	sinks := objects[m.Object]
	if len(sinks) == 0 {
		return nil // it went before; something else lies there, which verify finds
	}
	raw, err := evidence.Encode(m)
	if err != nil {
		return err
	}
	sum, err := hex.DecodeString(m.SHA256)
	e, begun := l.pruned[m.ReportKey()]
	switch {
	case err != nil || len(sum) != len(e.Sum):
		keep("", "its manifest has no SHA-256: %.80q", m.SHA256)
		return nil
	case begun && e.Sum != [32]byte(sum):
		keep("", "the ledger has another report of that name pruned, with the SHA-256 %x", e.Sum)
		return nil
	}
	for _, t := range p.Archive.Sinks {
		if !slices.Contains(sinks, t.Name) {
			continue
		}
		lock, err := sink.ReadLock(ctx, t.Sink, m.ReportKey())
		switch {
		case errors.Is(err, sink.ErrNotExist): // it was removed meanwhile
		case err != nil:
			return fmt.Errorf("sink %s: %w", t.Name, err)
		case lock.Holds(now):
			keep(t.Name, "%s", lock)
			return nil
		}
	}
	plan.Reports = append(plan.Reports, Report{s, m.ReportKey(), strings.ToLower(m.SHA256), m.Size, sinks, begun, tree.Of(s.ManifestKey(), raw)})
	return nil
}

// refused returns the error for a plan that is not to be carried out, given how many
// reports somebody expects to go; 0 = as many as the schedule explains.
func (plan Plan) refused(expect int) error {
	n := len(plan.Reports)
	switch {
	case expect > 0 && expect != n:
		return fault.New(fault.Request, "%d reports can go, not %d", n, expect).WithHint("packseal prune lists them")
	case expect == 0 && plan.Unexplained > 0:
		return fault.New(fault.Request, "the schedule does not explain %d of the %d reports that can go: they fell due more than %d days before or after the last one that was pruned", plan.Unexplained, n, int(Usual.Hours())/24).
			WithHint("nothing was removed: check the clock and retention.keep (%s, so what fell due by %s). If all of them are to go, as at the first time or after a change of keep: packseal prune --yes --expect %d", plan.Keep, plan.Before.Format(time.RFC3339), n)
	}
	return nil
}
