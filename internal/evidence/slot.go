package evidence

import (
	"fmt"
	"strings"
	"time"

	"packseal.example/internal/fault"
)

// DueFormat is the layout of a due time in keys and IDs: UTC, whole seconds.
const DueFormat = "20060102T150405Z"

// Slot is one report that is owed: a pack and the time it fell due by its
// schedule. It is the unit of work, of evidence and of gaps.
type Slot struct {
	Source string    `json:"source"` // the source's name
	Pack   string    `json:"pack"`   // the pack's key, see [PackRef.Key]
	Due    time.Time `json:"due"`    // UTC, whole seconds
}

// ID names the slot: <source>/<pack>@<due>. It is the same on every replica
// and after every restart.
func (s Slot) ID() string {
	return fmt.Sprintf("%s/%s@%s", s.Source, s.Pack, s.Due.UTC().Format(DueFormat))
}

// String returns the ID.
func (s Slot) String() string { return s.ID() }

// Ref returns the slot's pack.
func (s Slot) Ref() PackRef { return Ref(s.Source, s.Pack) }

// early is how long before its slot falls due a record may be stored: clocks differ.
const early = time.Hour

// Planted reports whether a record of the slot was stored, by the clock of the storage,
// so long before the slot fell due that nobody can have known how it would end: somebody
// put it there for it to be taken for settled. A time that says nothing, zero or one that
// file systems and archives make up, tells nothing either.
func (s Slot) Planted(stored time.Time) bool {
	return stored.UTC().Year() > 2000 && s.Due.Sub(stored) > early
}

// ParseSlot reads a slot's ID. An error is fault.Request.
func ParseSlot(id string) (Slot, error) {
	at := strings.LastIndexByte(id, '@')
	source, pack, ok := strings.Cut(id[:max(at, 0)], "/")
	if ok && source != "" && pack != "" {
		if due, err := time.Parse(DueFormat, id[at+1:]); err == nil {
			return Slot{Source: source, Pack: pack, Due: due}, nil
		}
	}
	return Slot{}, fault.New(fault.Request, "%.200q is not a slot: expected <source>/<pack>@<yyyymmddThhmmssZ>", id).
		WithHint("packseal list prints slots")
}

// PackRef names what a source makes a report of: a compliance pack, all rules,
// a report template or the resource inventory.
type PackRef struct {
	Source     string // the source's name
	ID         string // "cp-…", "rules", "crt-…" or "inventory"
	Aggregator string // the account group it belongs to, "ca-…", or empty
}

// Ref returns the pack of that key in the source.
func Ref(source, key string) PackRef {
	if aggregator, id, ok := strings.Cut(key, "/"); ok {
		return PackRef{Source: source, ID: id, Aggregator: aggregator}
	}
	return PackRef{Source: source, ID: key}
}

// Pack is a pack with what the configuration says of it.
type Pack struct {
	PackRef
	Name   string            // what people call it, or empty
	Labels map[string]string // what manifests say of it beside, or nil
	Zone   string            // of its days for people, an IANA name; empty is UTC
}

// Key is the pack's name in slots, keys and metrics: its ID, after that of its
// account group where it has one ("ca-…/cp-…").
func (p PackRef) Key() string {
	if p.Aggregator != "" {
		return p.Aggregator + "/" + p.ID
	}
	return p.ID
}

// Slot returns the pack's slot of that due time.
func (p PackRef) Slot(due time.Time) Slot {
	return Slot{Source: p.Source, Pack: p.Key(), Due: due.UTC()}
}

// The kinds of reports, as manifests name them.
const (
	CompliancePack          = "compliance_pack"
	AggregateCompliancePack = "aggregate_compliance_pack"
	Rules                   = "rules"
	AggregateRules          = "aggregate_rules"
	Template                = "template"
	Inventory               = "inventory"
	AggregateInventory      = "aggregate_inventory"
)

// IsCompliancePack reports whether p is a compliance pack, of an account or of an
// account group.
func (p PackRef) IsCompliancePack() bool {
	kind := p.Kind()
	return kind == CompliancePack || kind == AggregateCompliancePack
}

// Kind returns the kind of the pack's reports. It follows from the key.
func (p PackRef) Kind() string {
	switch {
	case p.ID == "rules" && p.Aggregator != "":
		return AggregateRules
	case p.ID == "rules":
		return Rules
	case p.ID == "inventory" && p.Aggregator != "":
		return AggregateInventory
	case p.ID == "inventory":
		return Inventory
	case strings.HasPrefix(p.ID, "crt-"):
		return Template
	case p.Aggregator != "":
		return AggregateCompliancePack
	}
	return CompliancePack
}
