package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/sink"
)

// logWithin is the default of [Options].LogWithin.
const logWithin = 20 * time.Minute

// noteAge notes that a record was written to a sink so lately that the ledger need not have
// an entry of it.
func (v *verifying) noteAge(t Target, e sink.Entry) {
	if time.Since(e.ModTime) >= v.logWithin {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.young[place{t.Name, e.Key}] = true
}

// place is where an object is.
type place struct{ sink, key string }

// ledger holds what was read against the ledger, and says what is wrong with that itself.
// It needs about 40 bytes for each of the ledger's entries.
//
// What the records' digests are needed for otherwise is done by then: those that the ledger
// has an entry of are removed from v.raw and v.gapAt, so that the rest is wrong. It returns
// what the ledger has entries of; nil = that is not known.
func (v *verifying) ledger(ctx context.Context, a *Archive, read []Target) (known map[keyed]bool, err error) {
	if a.Entries == nil {
		return nil, nil
	}
	broken, entries := false, a.Entries
	if a.Inspect != nil && len(v.Packs) == 0 {
		problems, looked, err := a.Inspect(ctx)
		if err != nil {
			return nil, err
		}
		entries = looked
		v.result.Problems = append(v.result.Problems, problems...)
		broken = slices.ContainsFunc(problems, func(p Problem) bool { return p.Kind == Forked || p.Kind == RolledBack })
	}
	known = make(map[keyed]bool)
	for e, err := range entries(ctx) {
		if err != nil && broken {
			return nil, nil // which was said
		}
		if err == nil {
			err = v.entry(ctx, a, e, known, len(read) == len(a.Sinks))
		}
		if err != nil {
			return nil, err
		}
	}
	malformed := make(map[place]bool)
	for _, p := range v.result.Problems {
		if p.Kind == Malformed {
			malformed[place{p.Sink, p.Key}] = true
		}
	}
	for s, sums := range v.raw {
		v.unlogged(s.ManifestKey(), sums, known, malformed)
	}
	for s, sums := range v.gapAt {
		v.unlogged(s.GapKey(), sums, known, malformed)
	}
	v.unloggedPlans(known)
	return known, nil
}

// entry holds what was read against an entry of the ledger. Where all sinks were read, a
// record of which none has any is a problem.
func (v *verifying) entry(ctx context.Context, a *Archive, e tree.Entry, known map[keyed]bool, all bool) error {
	kind, key := e.Kind(), e.Object()
	var have map[string][sha256.Size]byte
	var there bool
	s, name, ok := evidence.ParseKey(key)
	switch {
	case kind == tree.Void || kind == tree.Pruned:
		return nil
	case !ok:
		_, planned := v.planned[key]
		there = planned || v.own[key] || len(v.Packs) > 0
	case !v.has(s):
		return nil
	case name == evidence.ManifestName:
		have, there = v.raw[s], v.raw[s] != nil || v.lost[s]
	case name == evidence.GapName:
		have, there = v.gapAt[s], v.gapAt[s] != nil
	}
	known[keyID(key)] = true
	maps.DeleteFunc(have, func(_ string, sum [sha256.Size]byte) bool { return sum == e.Sum })
	if there || !all || v.anyGone(key) {
		return nil
	}
	for _, t := range a.Sinks { // it may have come since that was listed
		if _, err := readRaw(ctx, t, key); !errors.Is(err, sink.ErrNotExist) {
			if err != nil && !evidence.Unreadable(err) {
				return err
			}
			return nil
		}
	}
	if name == evidence.ManifestName {
		v.lost[s] = true
	}
	v.report("", Unarchived, key, "the ledger has an entry of it, and no sink has it")
	return nil
}

// unlogged reports a record that the ledger has no entry of, or one of other bytes, in the
// sinks that are left in sums.
func (v *verifying) unlogged(key string, sums map[string][sha256.Size]byte, known map[keyed]bool, malformed map[place]bool) {
	for name, sum := range sums {
		switch {
		case sum == [sha256.Size]byte{}: // it was not read
		case malformed[place{name, key}]: // which says it
		case known[keyID(key)]:
			v.report(name, Altered, key, "the ledger has an entry of other bytes")
		case !v.young[place{name, key}]:
			v.report(name, Unlogged, key, "the ledger has no entry of it")
		}
	}
}

// unloggedPlans reports the plans that were planted, and has nothing expected by them.
func (v *verifying) unloggedPlans(known map[keyed]bool) {
	var logged []string
	for key := range v.planned {
		if known[keyID(key)] {
			logged = append(logged, key)
		}
	}
	slices.Sort(logged)
	for key, sinks := range v.planned {
		if !plantedPlan(key, logged) {
			continue
		}
		delete(v.plans, key)
		for _, name := range sinks {
			if !v.young[place{name, key}] {
				v.report(name, Unlogged, key, "the ledger has no entry of it")
			}
		}
	}
}

// ledgerRecord notes a record of the ledger that a sink has.
func (v *verifying) ledgerRecord(key string) {
	if path.Ext(key) == ".json" && !strings.HasPrefix(key, tree.Dir+"statement/") {
		v.own[key] = true
	}
}
