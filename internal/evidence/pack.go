package evidence

import (
	"strings"
	"time"
)

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
)

// Kind returns the kind of the pack's reports. It follows from the key.
func (p PackRef) Kind() string {
	switch {
	case p.ID == "rules" && p.Aggregator != "":
		return AggregateRules
	case p.ID == "rules":
		return Rules
	case p.ID == "inventory":
		return Inventory
	case strings.HasPrefix(p.ID, "crt-"):
		return Template
	case p.Aggregator != "":
		return AggregateCompliancePack
	}
	return CompliancePack
}
