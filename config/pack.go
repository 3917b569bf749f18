package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"packseal.example/config/strictyaml"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/units"
	"packseal.example/scheduler/cron"
)

// Bounds of what each manifest of a pack holds.
const (
	maxPackName = 256 // bytes of a pack's name
	maxLabels   = 16  // labels of a pack
	maxLabel    = 256 // bytes of a label's value
)

// defaults checks what holds for all packs once, and not again for each pack.
func (k *checker) defaults() {
	d := k.Defaults
	if d.Source != "" {
		k.source("defaults.source", d.Source)
	}
	for _, p := range d.Credentials.Check() {
		p.Path = "defaults." + p.Path
		k.problems = append(k.problems, p)
	}
	k.schedule("defaults", d.Schedule, d.TimeZone)
	k.jitter("defaults.jitter", k.withDefaults(Pack{}))
	k.timeout("defaults.timeout", d.Timeout)
	k.keptIn("defaults.sinks", d.Sinks)
}

// packs checks every pack. Two entries are the same pack when their sources are
// the same, whether named or by default.
func (k *checker) packs() {
	if len(k.Packs) == 0 && !k.anyDiscovers() {
		p := fault.Problem{Path: "packs", Message: "no pack is configured", Hint: "packs: [{id: cp-…}], or a source with discover: {rules: [{}]}"}
		p.Warning = k.PacksFile != "" // packs are about to be there
		k.problems = append(k.problems, p)
	}
	k.idle()
	first := map[evidence.PackRef]int{}
	for i, p := range k.Packs {
		path := fmt.Sprintf("packs[%d]", i)
		k.pack(path, p)
		ref := k.withDefaults(p).ref()
		if j, twice := first[ref]; twice && ref.ID != "" {
			at := path + ".id"
			if p.withoutID() {
				at = path
			}
			k.fail(at, "a pack has one schedule: combine the two entries", "duplicate pack, first defined in %s", k.place(j, at))
		} else {
			first[ref] = i
		}
	}
}

// idle warns that nothing is scheduled, because of enabled: false.
func (k *checker) idle() {
	switch sources := k.sourceNames(); {
	case len(sources) > 0 && !slices.ContainsFunc(sources, k.Enabled):
		k.problems = append(k.problems, fault.Problem{Path: "sources", Warning: true, Message: "no report is kept: every source has enabled: false"})
	case len(k.Packs) > 0 && len(k.Entries()) == 0 && !slices.ContainsFunc(sources, k.Discovers):
		k.problems = append(k.problems, fault.Problem{Path: "packs", Warning: true, Message: "no report is kept: every pack, or its source, has enabled: false"})
	}
}

// pack checks one pack by itself.
func (k *checker) pack(path string, p Pack) {
	k.packID(path, p)
	if len(p.Name) > maxPackName {
		k.fail(path+".name", "use a shorter name", "%d bytes long, the limit is %d", len(p.Name), maxPackName)
	}
	k.labels(path+".labels", p.Labels)
	k.settings(path, p)
	if !p.Until.IsZero() && !p.Until.After(p.Since) {
		k.fail(path+".until", "", "%s is not after since, %s", p.Until.Format(time.RFC3339), p.Since.Format(time.RFC3339))
	}
	switch {
	case p.Source != "":
		k.source(path+".source", p.Source)
	case k.withDefaults(p).Source == "" && len(k.Sources) > 1:
		k.fail(path, "set source here or under defaults: "+strings.Join(k.sourceNames(), ", "), "no source is set, and there are %d", len(k.Sources))
	}
}

// settings checks when a pack's slots fall due, and what is done before its report.
func (k *checker) settings(path string, p Pack) {
	k.schedule(path, p.Schedule, p.TimeZone)
	if p.Jitter != nil || p.Schedule != "" { // otherwise it is the defaults'
		k.jitter(path+".jitter", k.withDefaults(p))
	}
	k.timeout(path+".timeout", p.Timeout)
	k.keptIn(path+".sinks", p.Sinks)
	k.evaluate(path+".evaluate", p)
}

// packKinds are the kinds of packs, other than compliance packs.
var packKinds = []string{evidence.Rules, evidence.Template, evidence.Inventory}

// packID checks that kind, ID and account group fit together.
func (k *checker) packID(path string, p Pack) {
	if p.Kind != "" && !slices.Contains(packKinds, p.Kind) {
		k.oneOf(path+".kind", p.Kind, packKinds...)
		return // what ID it needs is not known
	}
	if p.Aggregator != "" {
		k.name(path+".aggregator", "a pack", p.Aggregator)
	}
	kind := evidence.PackRef{ID: p.ID}.Kind() // what the ID says
	switch {
	case p.withoutID():
		if p.ID != "" && p.ID != p.Kind {
			k.fail(path+".id", "leave it out", "there is one %s of an account or account group: it has no ID", map[string]string{evidence.Rules: "report of all rules", evidence.Inventory: "inventory"}[p.Kind])
		}
		return
	case p.ID == "" && p.Kind == evidence.Template:
		k.fail(path+".id", `it begins with "crt-"`, "missing: a report template needs one")
		return
	case p.ID == "":
		k.fail(path+".id", `it begins with "cp-"; reports of other kinds have a kind: `+strings.Join(packKinds, ", "), "missing: a compliance pack needs one")
		return
	case p.Kind == evidence.Template && p.Aggregator != "":
		k.fail(path+".aggregator", "leave it out", "a report template belongs to no account group")
	case p.Kind == evidence.Template && kind != evidence.Template:
		k.fail(path+".id", `the ID of a report template begins with "crt-"`, "%.64q is not a report template", p.ID)
	case p.Kind == "" && kind != evidence.CompliancePack:
		k.fail(path+".id", fmt.Sprintf("add kind: %s; the ID of a compliance pack begins with %q", kind, "cp-"), "%.64q is not a compliance pack", p.ID)
	}
	k.name(path+".id", "a pack", p.ID)
}

// MetricLabel returns the name of a pack's label in metrics, where names have neither
// dots nor dashes.
func MetricLabel(key string) string {
	return "label_" + strings.NewReplacer(".", "_", "-", "_").Replace(key)
}

// labels checks a pack's labels.
func (k *checker) labels(path string, labels map[string]string) {
	if len(labels) > maxLabels {
		k.fail(path, "", "%d labels, the limit is %d", len(labels), maxLabels)
	}
	metric := make(map[string]string, len(labels))
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if same := metric[MetricLabel(key)]; same != "" {
			k.fail(strictyaml.Join(path, key), "rename one of them", "the labels %s and %s are one in metrics, %s", same, key, MetricLabel(key))
		}
		metric[MetricLabel(key)] = key
		at, value := strictyaml.Join(path, key), labels[key]
		k.name(at, "a label", key)
		switch {
		case value == "":
			k.fail(at, "leave the label out", "has no value")
		case len(value) > maxLabel:
			k.fail(at, "use a shorter value", "%d bytes long, the limit is %d", len(value), maxLabel)
		case strings.ContainsFunc(value, unicode.IsControl):
			k.fail(at, "write the value on one line", "holds control characters")
		}
	}
}

// source checks that a source of that name is configured.
func (k *checker) source(path, name string) {
	if _, ok := k.Sources[name]; ok || len(k.Sources) == 0 {
		return
	}
	if parent, _, ok := evidence.SplitMember(name); ok {
		if s, ok := k.Sources[parent]; ok && s.Accounts == nil {
			k.fail(path, "add accounts to the source, with the role to assume", "%.64q would be a member account of %s, which has no accounts", name, parent)
		}
		if _, ok := k.Sources[parent]; ok {
			return
		}
	}
	k.unknown(path, "source", name, k.sourceNames())
}

// schedule checks a schedule and a time zone, if they are set here.
func (k *checker) schedule(path, spec, zone string) {
	if zone != "" {
		if _, err := cron.Parse("@hourly", zone); err != nil {
			k.fail(path+".time_zone", fault.Hint(err), "%s", err)
		}
	}
	if spec != "" {
		if _, err := cron.Parse(spec, builtinZone); err != nil {
			k.fail(path+".schedule", fault.Hint(err), "%s", err)
		}
	}
}

// jitter refuses one that is longer than the time between two slots: the next one
// would be due before the first one is begun.
func (k *checker) jitter(path string, p Pack) {
	if *p.Jitter == 0 {
		return
	}
	if every := k.shortest(p.Schedule, p.TimeZone); every > 0 && *p.Jitter > every {
		k.fail(path, "", "%s is longer than the %s between two slots of %q", units.FormatDuration(*p.Jitter), units.FormatDuration(every), p.Schedule)
	}
}

// Bounds of the search for the shortest time between two slots: more than a year
// of days, so that months of any length are among them, and no more years.
const (
	lookedSlots = 400
	lookedYears = 5
)

// shortest returns the shortest time between two slots of a schedule; 0 where it
// is not valid.
func (k *checker) shortest(spec, zone string) (every time.Duration) {
	key := [2]string{spec, zone}
	if every, ok := k.intervals[key]; ok {
		return every
	}
	if s, err := cron.Parse(spec, zone); err == nil {
		from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		slot := s.Next(from)
		for i := 0; i < lookedSlots && slot.Before(from.AddDate(lookedYears, 0, 0)); i++ {
			next := s.Next(slot)
			if d := next.Sub(slot); d > 0 && (every == 0 || d < every) {
				every = d
			}
			slot = next
		}
	}
	k.intervals[key] = every
	return every
}

// evaluate refuses an evaluation of what has no rules of its own, and one that leaves
// no time for the report.
func (k *checker) evaluate(path string, p Pack) {
	switch timeout := *k.withDefaults(p).Timeout; {
	case p.Evaluate == 0:
	case !p.ref().IsCompliancePack():
		k.fail(path, "leave it out", "only the rules of a compliance pack can be evaluated before its report")
	case timeout > 0 && p.Evaluate > timeout/2:
		k.fail(path, "", "%s is more than half of the timeout, %s, which is for the report as well", units.FormatDuration(p.Evaluate), units.FormatDuration(timeout))
	}
}

// timeout refuses 0. Elsewhere it means "none"; here it would be a deadline that
// has passed before the first attempt.
func (k *checker) timeout(path string, d *time.Duration) {
	if d != nil && *d == 0 {
		k.fail(path, "leave it out for the default", "must be positive: with 0 every slot would become a gap")
	}
}
