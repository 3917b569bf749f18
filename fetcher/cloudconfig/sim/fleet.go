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

// behaviours are those that [Fleet] knows by name. What begins with "rules-",
// "template-" or "inventory-" is about reports of that kind.
var behaviours = map[string]Script{
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
	"unevaluated":  {Stuck: 2, Inactive: 1, Broken: 1},

	"rules-good":       {},
	"rules-forgotten":  {Forgets: true},
	"rules-mixed-up":   {Confuses: true},
	"template-good":    {},
	"template-failed":  {Ends: []string{"FAILED"}},
	"template-timeout": {Ends: []string{"TIMEOUT", "TIMEOUT"}},
	"template-new":     {Unfound: "ReportNotFound"},
	"template-lost":    {Failures: []Failure{{Call: "GenerateReportFromTemplate", After: true}}},
	"inventory-good":   {},
	"inventory-utf16":  {UTF16: true},
	"inventory-lost":   {Failures: []Failure{{Call: "GenerateAggregateResourceInventory", After: true}}},
}

// Faults returns the names of the behaviours that [Fleet] takes.
func Faults() []string { return slices.Sorted(maps.Keys(behaviours)) }

// Fleet returns n packs, each with a report of yesterday, that behave in turn as
// named; "all" stands for every name, and none for good packs. If n is 0, there is
// one pack for each name. Rules and inventories are those of account groups.
func Fleet(n int, faults []string) ([]Pack, error) {
	if slices.Contains(faults, "all") {
		faults = Faults()
	}
	if len(faults) == 0 {
		faults = []string{"good"}
	}
	for _, f := range faults {
		if _, ok := behaviours[f]; !ok {
			return nil, fmt.Errorf("unknown fault %.40q: choose from all, %s", f, strings.Join(Faults(), ", "))
		}
	}
	if n == 0 {
		n = len(faults)
	}
	packs := make([]Pack, n)
	for i := range packs {
		fault := faults[i%len(faults)]
		p := Pack{ID: fmt.Sprintf("cp-%020x", i+1), Name: fmt.Sprintf("pack %d, %s", i+1, fault), Script: behaviours[fault]}
		switch kind, _, _ := strings.Cut(fault, "-"); kind {
		case allRules, inventory:
			p.ID, p.Aggregator = kind, fmt.Sprintf("ca-%020x", i+1)
		case "template":
			p.ID = fmt.Sprintf("crt-%020x", i+1)
		}
		if p.Script.Unfound == "" {
			p.Script.Standing = 24 * time.Hour
		}
		packs[i] = p
	}
	return packs, nil
}

// Members returns n member accounts, and the packs of each, which have the same IDs in
// all: one with the tag env=prod, and one without tags.
func Members(n int) (accounts []Account, packs []Pack) {
	for i := range n {
		id := fmt.Sprint(100_000_000_000_001 + i)
		accounts = append(accounts, Account{ID: id, Name: fmt.Sprintf("Account %d 成员账号", i+1)})
		packs = append(packs,
			Pack{ID: "cp-2b06626622af00280011", Name: "Tagged env=prod", Member: id, Tags: map[string]string{"env": "prod"}},
			Pack{ID: "cp-4d28626622af00190012", Name: "Without tags", Member: id})
	}
	return accounts, packs
}
