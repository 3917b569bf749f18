package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Plans returns the plans that the sinks hold, by their keys, beside those of
// have, which are not read again. Every sink gets those that it lacks. A plan that
// is there and can't be read is logged and left out, and so is one that was planted: the
// ledger has entries of plans, and none of this one, which is later than the first of them.
// It is an error when no sink can be listed, or a plan or the ledger can't be read now.
func (a *Archive) Plans(ctx context.Context, have map[string]evidence.Plan) (map[string]evidence.Plan, error) {
	all, failed := make(map[string]evidence.Plan), make(map[string]error)
	maps.Copy(all, have)
	holds := make(map[string]map[string]bool) // sink → keys
	var errs []error
	for _, t := range a.Sinks {
		keys, err := listPlans(ctx, t)
		if err != nil {
			errs = append(errs, a.unlisted(ctx, t, evidence.PlanDir, err))
			continue
		}
		holds[t.Name] = keys
		for key := range keys {
			if _, ok := all[key]; ok {
				continue
			}
			if p, err := readPlan(ctx, t, key); err == nil {
				all[key] = p
			} else {
				failed[key] = fmt.Errorf("reading %s from sink %s: %w", key, t.Name, err)
			}
		}
	}
	if len(errs) == len(a.Sinks) {
		return nil, errors.Join(errs...)
	}
	for key, err := range failed {
		if _, ok := all[key]; ok {
			continue
		}
		if !evidence.Unreadable(err) {
			return nil, err
		}
		a.Logger.WarnContext(ctx, "plan not readable", "key", key, "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
	}
	if err := a.uproot(ctx, all, have); err != nil {
		return nil, err
	}
	for key, p := range all {
		if err := a.putPlan(ctx, p, func(t Target) bool { return holds[t.Name] != nil && !holds[t.Name][key] }); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// uproot removes the plans that were planted from those that were read. The ledger is asked
// only if there are any.
func (a *Archive) uproot(ctx context.Context, all, have map[string]evidence.Plan) error {
	if a.LoggedPlans == nil || len(all) == len(have) {
		return nil
	}
	known, err := a.LoggedPlans(ctx)
	if err != nil {
		return fmt.Errorf("reading which plans the ledger has: %w", err)
	}
	logged := slices.Sorted(maps.Keys(known))
	for key := range all {
		if _, read := have[key]; !read && plantedPlan(key, logged) {
			a.Logger.WarnContext(ctx, "plan without an entry in the ledger passed over", "key", key)
			delete(all, key)
		}
	}
	return nil
}

// plantedPlan reports whether the plan under a key was planted, by the sorted keys of those
// that the ledger has. The first of them was in force when the ledger began: of the plans
// before, nobody can tell.
func plantedPlan(key string, logged []string) bool {
	at, found := slices.BinarySearch(logged, key)
	return at > 0 && !found
}

// PutPlan puts a plan into every sink. It is an error when none takes it.
func (a *Archive) PutPlan(ctx context.Context, p evidence.Plan) error {
	key, raw, err := p.Encode()
	if err != nil {
		return err
	}
	return a.log(key, raw, func() error { return a.putPlan(ctx, p, func(Target) bool { return true }) })
}

// putPlan puts a plan into those sinks. A sink that does not take it is logged; it
// is an error when none does.
func (a *Archive) putPlan(ctx context.Context, p evidence.Plan, into func(Target) bool) error {
	key, raw, err := p.Encode()
	if err != nil {
		return err
	}
	content := sink.Bytes(raw)
	content.About = sink.About{Type: "application/json", Name: path.Base(key)}
	put := false
	var errs []error
	for _, t := range a.Sinks {
		if !into(t) {
			continue
		}
		err := t.Put(ctx, key, content)
		if put = put || err == nil; err != nil {
			a.Logger.WarnContext(ctx, "plan not recorded in a sink", "sink", t.Name, "key", key, "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
			errs = append(errs, fmt.Errorf("recording a plan in sink %s: %w", t.Name, err))
		}
	}
	if put {
		return nil
	}
	return errors.Join(errs...)
}

// listPlans returns the keys of a sink's plans.
func listPlans(ctx context.Context, t Target) (map[string]bool, error) {
	keys := make(map[string]bool)
	for e, err := range t.List(ctx, evidence.PlanDir, "") {
		if err != nil {
			return nil, err
		}
		if evidence.IsPlan(e.Key) {
			keys[e.Key] = true
		}
	}
	return keys, nil
}

// readPlan reads a plan from a sink.
func readPlan(ctx context.Context, t Target, key string) (evidence.Plan, error) {
	p, _, err := readRecord(ctx, t, key, func(b []byte) (evidence.Plan, error) { return evidence.DecodePlan(b, key) })
	return p, err
}

// plansRead is how many plans are read at most for packs that are in none of the later
// ones.
const plansRead = 200

// LastPlanned returns how those packs were scheduled last, by the latest plans that
// have them. A plan or a sink that can't be read is left out.
func (a *Archive) LastPlanned(ctx context.Context, wanted []evidence.PackRef) map[evidence.PackRef]evidence.PlannedPack {
	found := make(map[evidence.PackRef]evidence.PlannedPack)
	lacking := make(map[evidence.PackRef]bool)
	for _, p := range wanted {
		lacking[p] = true
	}
	for _, t := range a.Sinks {
		if len(lacking) == 0 {
			break
		}
		keys, err := listPlans(ctx, t)
		if err != nil {
			continue
		}
		latest := slices.SortedFunc(maps.Keys(keys), func(x, y string) int { return cmp.Compare(y, x) })
		for _, key := range latest[:min(len(latest), plansRead)] {
			p, err := readPlan(ctx, t, key)
			if err != nil {
				continue
			}
			for _, pack := range p.Packs {
				if lacking[pack.Ref()] {
					found[pack.Ref()] = pack
					delete(lacking, pack.Ref())
				}
			}
			if len(lacking) == 0 {
				break
			}
		}
	}
	return found
}
