package evidence

import (
	"cmp"
	"regexp"
	"slices"
	"time"

	"packseal.example/internal/fault"
)

// The schemas of plans that are written today.
const (
	PlanSchema        = "packseal.plan/v1"
	BoundedPlanSchema = "packseal.plan/v2" // of packs with since, sinks or until
)

// PlanDir is the prefix of plans' keys, with the closing slash.
const PlanDir = LedgerDir + "plan/"

// Plan is the record of which packs were scheduled, and how, from a time on: it
// tells a slot that was missed from one that was never due. The plan that
// follows it in time replaces it. Fields are in the order of their keys.
type Plan struct {
	Packs  []PlannedPack `json:"packs"`           // by source and pack, each once
	Part   int           `json:"part,omitempty"`  // of a plan that is too long for one record: 1 to Parts
	Parts  int           `json:"parts,omitempty"` // how many records it is in
	Schema string        `json:"schema"`
	Since  time.Time     `json:"since"` // slots that are due then or later are by this plan; UTC, whole seconds
	Tool   string        `json:"tool"`  // packseal/<version>
}

// PlannedPack is a pack's schedule within a plan.
type PlannedPack struct {
	Pack     string    `json:"pack"` // the pack's key
	Schedule string    `json:"schedule"`
	Since    time.Time `json:"since,omitzero"`  // v2: nothing is due before; later than the plan's own; UTC
	Sinks    []string  `json:"sinks,omitempty"` // v2: the names of those that keep its reports; none = all
	Source   string    `json:"source"`
	Until    time.Time `json:"until,omitzero"` // v2: nothing is due after that; UTC
	Zone     string    `json:"zone"`           // an IANA name
}

// Equal reports whether two packs are the same, scheduled in the same way and kept in
// the same sinks.
func (p PlannedPack) Equal(q PlannedPack) bool {
	return p.Pack == q.Pack && p.Source == q.Source && p.Schedule == q.Schedule && p.Zone == q.Zone &&
		p.Since.Equal(q.Since) && p.Until.Equal(q.Until) && slices.Equal(p.Sinks, q.Sinks)
}

// bounded reports whether the pack takes the newer schema.
func (p PlannedPack) bounded() bool {
	return len(p.Sinks) > 0 || !p.Until.IsZero() || !p.Since.IsZero()
}

// From returns the pack within a plan that is in force from a time on: its own since
// counts only if it is later.
func (p PlannedPack) From(since time.Time) PlannedPack {
	if !p.Since.After(since) {
		p.Since = time.Time{}
	}
	return p
}

// Ref returns the pack.
func (p PlannedPack) Ref() PackRef { return Ref(p.Source, p.Pack) }

// Compare orders packs by source and key.
func (p PlannedPack) Compare(q PlannedPack) int {
	return cmp.Or(cmp.Compare(p.Source, q.Source), cmp.Compare(p.Pack, q.Pack))
}

// How much one record of a plan holds at most.
const (
	planPacks = 250
	planBytes = 48 << 10 // of packs
)

// NextSecond returns the earliest time from which a plan that is made now can be in
// force: what has fallen due by now is by the plan before.
func NextSecond(now time.Time) time.Time { return now.UTC().Truncate(time.Second).Add(time.Second) }

// NewPlan makes the records of a plan: one, or several where it is long. since is
// in whole seconds.
func NewPlan(packs []PlannedPack, since time.Time, tool string) ([]Plan, error) {
	packs = slices.SortedFunc(slices.Values(packs), PlannedPack.Compare)
	parts := [][]PlannedPack{{}}
	size := 0
	for _, p := range packs {
		p = p.From(since)
		raw, err := Encode(p)
		if err != nil {
			return nil, err
		}
		last := len(parts) - 1
		if n := len(parts[last]); n == planPacks || n > 0 && size+len(raw) > planBytes {
			parts, size = append(parts, nil), 0
			last++
		}
		parts[last] = append(parts[last], p)
		size += len(raw)
	}
	plans := make([]Plan, len(parts))
	for i, part := range parts {
		plans[i] = Plan{Packs: part, Schema: PlanSchema, Since: since.UTC(), Tool: tool}
		if slices.ContainsFunc(part, PlannedPack.bounded) {
			plans[i].Schema = BoundedPlanSchema
		}
		if len(parts) > 1 {
			plans[i].Part, plans[i].Parts = i+1, len(parts)
		}
	}
	return plans, nil
}

// planKey matches the keys of plans.
var planKey = regexp.MustCompile(`^` + PlanDir + `(\d{8}T\d{6}Z)-([0-9a-f]{12})\.json$`)

// IsPlan reports whether a key is one of a plan.
func IsPlan(key string) bool { return planKey.MatchString(key) }

// PlanSince returns the since of the plan under a key; ok = false if it is not the key of
// one.
func PlanSince(key string) (since time.Time, ok bool) { return timeOf(planKey, key) }

// timeOf returns the time in a key that matches an expression.
func timeOf(e *regexp.Regexp, key string) (t time.Time, ok bool) {
	m := e.FindStringSubmatch(key)
	if m == nil {
		return t, false
	}
	t, err := time.Parse(DueFormat, m[1])
	return t, err == nil
}

// Encode returns the record and its key:
// packseal-ledger/plan/<since>-<first 12 hex digits of its SHA-256>.json.
func (p Plan) Encode() (key string, raw []byte, err error) {
	return encodeNamed(PlanDir+p.Since.UTC().Format(DueFormat)+"-", p)
}

// decodePlanV1 refuses the fields that came with v2.
func decodePlanV1(b []byte) (any, error) {
	v, err := canonical[Plan](b)
	if err == nil && slices.ContainsFunc(v.(Plan).Packs, PlannedPack.bounded) {
		return nil, fault.New(fault.Damaged, "the record has fields that its schema %s has not", PlanSchema)
	}
	return v, err
}

// DecodePlan reads the plan that lies under a key. One that belongs under another
// is fault.Damaged. See [Decode] for other errors.
func DecodePlan(b []byte, key string) (Plan, error) {
	p, err := decodeNamed[Plan](b, key)
	if err == nil && (!slices.IsSortedFunc(p.Packs, PlannedPack.Compare) || p.Part < 0 || p.Part > p.Parts || (p.Part == 0) != (p.Parts == 0)) {
		return Plan{}, fault.New(fault.Damaged, "the plan's packs are not in order, or it is part %d of %d", p.Part, p.Parts)
	}
	return p, err
}
