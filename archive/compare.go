package archive

import (
	"crypto/sha256"
	"slices"
)

// compare compares the sinks' records with one another. A sink that was not asked to
// keep a report need not have it.
func (v *verifying) compare(sinks []Target) {
	for key, have := range v.planned {
		for _, t := range sinks {
			if !slices.Contains(have, t.Name) {
				v.report(t.Name, Unmirrored, key, "another sink has this plan")
			}
		}
	}
	for s, have := range v.raw {
		these := sinks
		if asked := v.asked[s]; asked != nil {
			these = slices.DeleteFunc(slices.Clone(sinks), func(t Target) bool {
				_, has := have[t.Name]
				return !has && !slices.Contains(asked, t.Name)
			})
		}
		v.agree(these, s.ManifestKey(), have, "another sink has this slot sealed")
	}
	for key, have := range v.acked {
		v.agree(sinks, key, have, "another sink has this acknowledgement")
	}
}

// agree compares one record, by its digests in the sinks that have it. A
// difference is reported of the later sink in the order of the configuration, as
// the first one decides; which of the two is right can't be known here.
func (v *verifying) agree(sinks []Target, key string, have map[string][sha256.Size]byte, elsewhere string) {
	var first Target
	for _, t := range sinks {
		sum, ok := have[t.Name]
		switch {
		case !ok && (v.isGone(t, key) || v.isPlanted(t, key)): // it was reported
		case !ok:
			v.report(t.Name, Unmirrored, key, "%s", elsewhere)
		case sum == [sha256.Size]byte{}: // it was not read
		case first.Name == "":
			first = t
		case sum != have[first.Name]:
			v.report(t.Name, Divergent, key, "it differs from the one in sink %s", first.Name)
		}
	}
}
