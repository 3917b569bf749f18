package plans

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/period"
	"packseal.example/scheduler/cron"
)

// History is how packs were scheduled over time: plans, in the order in which they came
// into force. Each one is in force until the next. Before the first nothing was due.
type History []Plan

// Plan is a plan put together from its records: all that have one since.
type Plan struct {
	Since time.Time              // as the records say
	From  time.Time              // when it came into force; Since, or later
	Packs []evidence.PlannedPack // by source and pack, each once
	Whole bool                   // no part is missing; where one is, Packs has what the plan before has of other packs

	records map[string]evidence.Plan // by their keys
}

// NewHistory puts plans together from their records, by their keys. from returns when the
// record under a key came into force, if that was later than its since; nil = never. A
// plan comes into force with the last of its parts.
func NewHistory(records map[string]evidence.Plan, from func(key string) time.Time) History {
	var h History
	missing := 0 // parts of the last plan
	for _, key := range slices.Sorted(maps.Keys(records)) {
		r := records[key]
		if n := len(h); n == 0 || !h[n-1].Since.Equal(r.Since) {
			h, missing = append(h, Plan{Since: r.Since, From: r.Since, records: make(map[string]evidence.Plan)}), max(r.Parts, 1)
		}
		missing--
		p := &h[len(h)-1]
		p.records[key] = r
		p.Packs = append(p.Packs, r.Packs...)
		p.Whole = missing <= 0
		if from != nil {
			p.From = period.Later(p.From, from(key))
		}
	}
	slices.SortStableFunc(h, func(p, q Plan) int { return p.From.Compare(q.From) }) // of two at once, that with the later since counts
	for i := range h {
		var before Plan
		if i > 0 {
			before = h[i-1]
		}
		h[i].settle(before)
	}
	return h
}

// settle puts the packs in order, each once. Of a plan that lacks a part, the packs that
// it does not name are as before.
func (p *Plan) settle(before Plan) {
	slices.SortStableFunc(p.Packs, evidence.PlannedPack.Compare)
	last := p.Packs[:0]
	for i, pack := range p.Packs {
		if i+1 == len(p.Packs) || pack.Compare(p.Packs[i+1]) != 0 {
			last = append(last, pack)
		}
	}
	p.Packs = last
	if p.Whole {
		return
	}
	for _, pack := range before.Packs {
		if i, named := slices.BinarySearchFunc(p.Packs, pack, evidence.PlannedPack.Compare); !named {
			p.Packs = slices.Insert(p.Packs, i, pack)
		}
	}
}

// Records returns the records that the plan was put together from, by their keys. The
// map must not be changed.
func (p Plan) Records() map[string]evidence.Plan { return p.records }

// Sum returns the SHA-256 of the plan's record, hex; of several, that of part 1. "" if
// that is missing.
func (p Plan) Sum() string {
	for _, key := range slices.Sorted(maps.Keys(p.records)) {
		if r := p.records[key]; r.Part <= 1 {
			return sum(r)
		}
	}
	return ""
}

func sum(r evidence.Plan) string {
	_, raw, err := r.Encode()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// Unreadable returns the packs whose schedules this program can't read: it expects
// nothing of them.
func (p Plan) Unreadable() (packs []evidence.PlannedPack) {
	for _, pack := range p.Packs {
		if _, err := cron.Parse(pack.Schedule, pack.Zone); err != nil {
			packs = append(packs, pack)
		}
	}
	return packs
}

// equals reports whether a plan is whole and of just these packs.
func (p Plan) equals(packs []evidence.PlannedPack) bool {
	return p.Whole && slices.EqualFunc(p.Packs, packs, func(a, b evidence.PlannedPack) bool { return a.From(p.Since).Equal(b.From(p.Since)) })
}

// last returns the plan that came into force last; none = the zero Plan.
func (h History) last() Plan {
	if len(h) == 0 {
		return Plan{}
	}
	return h[len(h)-1]
}

// At returns the plan that is in force then, and ok = false before the first.
func (h History) At(t time.Time) (p Plan, ok bool) {
	for _, p := range slices.Backward(h) {
		if !p.From.After(t) {
			return p, true
		}
	}
	return Plan{}, false
}

// Changes returns when a plan comes into force first after t; ok = false if none does.
func (h History) Changes(after time.Time) (at time.Time, ok bool) {
	for _, p := range h {
		if p.From.After(after) {
			return p.From, true
		}
	}
	return time.Time{}, false
}

// Find returns the plan one of whose records has that SHA-256, hex.
func (h History) Find(hash string) (p Plan, ok bool) {
	for _, p := range h {
		for key, r := range p.records {
			if len(hash) > 12 && strings.HasSuffix(key, "-"+hash[:12]+".json") && sum(r) == hash {
				return p, true
			}
		}
	}
	return Plan{}, false
}
