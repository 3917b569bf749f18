package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// always is more often than anything is tried.
const always = 1 << 30

// scripts are the behaviours that [Fleet] knows by name.
var scripts = map[string]Script{
	"good":         {},
	"slow":         {Make: 30 * time.Second},
	"never":        {Never: true},
	"throttled":    {Throttles: 3},
	"error":        {Failures: []Failure{{Code: "InternalError", Times: 3}}},
	"dropped":      {Failures: []Failure{{Times: 3}}},
	"denied":       {Failures: []Failure{{Code: "NoPermission", Times: always}}},
	"expired-link": {ExpiredLinks: 1},
	"cut":          {Body: BodyFault{Kind: BodyCut}},
	"altered":      {Body: BodyFault{Kind: BodyAltered}},
	"stalled":      {Body: BodyFault{Kind: BodyStall}},
	"html":         {Body: BodyFault{Kind: BodyHTML}},
}

// Faults returns the names of the behaviours that [Fleet] takes.
func Faults() []string { return slices.Sorted(maps.Keys(scripts)) }

// Fleet returns n packs, each with a report of yesterday, that behave in turn as
// named; "all" stands for every name, and none for good packs. If n is 0, there is
// one pack for each name.
func Fleet(n int, faults []string) ([]Pack, error) {
	if slices.Contains(faults, "all") {
		faults = Faults()
	}
	if len(faults) == 0 {
		faults = []string{"good"}
	}
	for _, f := range faults {
		if _, ok := scripts[f]; !ok {
			return nil, fmt.Errorf("unknown fault %.40q: choose from all, %s", f, strings.Join(Faults(), ", "))
		}
	}
	if n == 0 {
		n = len(faults)
	}
	packs := make([]Pack, n)
	for i := range packs {
		fault := faults[i%len(faults)]
		script := scripts[fault]
		script.Standing = 24 * time.Hour
		packs[i] = Pack{ID: fmt.Sprintf("cp-%020x", i+1), Name: fmt.Sprintf("pack %d, %s", i+1, fault), Script: script}
	}
	return packs, nil
}
