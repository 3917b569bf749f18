package audit

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"packseal.example/internal/evidence"
)

// claim is the statement of a bundle. Nothing of it is believed; its period is what
// the audit is about.
type claim struct {
	Period
	reports Reports                    // which of them the bundle has
	raw     map[string]json.RawMessage // nil: there is none
}

// longest bounds a period: a hundred years.
const longest = 100 * 366 * 24 * time.Hour

func readClaim(b *bundle) (c claim) {
	raw := b.read(StatementName, maxStatement)
	if raw == nil {
		return c
	}
	var s struct {
		Schema      string
		From, Until time.Time
		Packs       []string
		Zone        string
		Reports     Reports
	}
	err := json.Unmarshal(raw, &s)
	fields := make(map[string]json.RawMessage)
	if err == nil {
		err = json.Unmarshal(raw, &fields)
	}
	period := s.Until.Sub(s.From)
	if err != nil || s.Schema != StatementSchema || period <= 0 || period > longest {
		b.found.add(Unreadable, StatementName, saidStatement, StatementSchema)
		return c
	}
	return claim{Period{s.From.UTC(), s.Until.UTC(), s.Zone, s.Packs}, s.Reports, fields}
}

// timed are the fields of a statement that follow from tokens.
var timed = []string{"began", "late", "missing", "open", "slates_late", "stamps"}

// compare holds the bundle's statement against the one that was computed: field by
// field, but for those that say who computed it and against what.
func (a *audit) compare(s Statement) {
	theirs := a.claim.raw
	raw, err := s.Encode()
	ours := make(map[string]json.RawMessage)
	if err == nil {
		err = json.Unmarshal(raw, &ours)
	}
	if err != nil {
		a.found.add(Claim, StatementName, saidUnreadable, err)
		return
	}
	if a.admits(theirs["not_proven"], s.NotProven) {
		ours["not_proven"] = theirs["not_proven"]
	}
	all := maps.Clone(theirs)
	if theirs["counts"] != nil { // else it says of which period it is, and no more
		maps.Copy(all, ours)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		mine, their := ours[name], theirs[name]
		switch {
		case slices.Contains([]string{"findings", "tool", "witnesses"}, name):
			continue
		case a.Tokens == 0 && slices.Contains(timed, name):
			continue
		case mine == nil && name != "began": // of a newer program, or one that was left empty
			continue
		case name == "counts" && their != nil:
			mine, their = a.counts(mine), a.counts(their)
		}
		if !equalJSON(mine, their) {
			a.found.add(Claim, StatementName, saidClaim, name, short(their), short(mine))
		}
	}
}

// admits reports whether a statement says all that it does not prove.
func (a *audit) admits(theirs json.RawMessage, limits []Limit) bool {
	var said []Limit
	if theirs == nil || json.Unmarshal(theirs, &said) != nil {
		return false
	}
	return !slices.ContainsFunc(limits, func(l Limit) bool {
		return !slices.Contains(said, l) && (a.Tokens > 0 || l != LimitTime && l != LimitBefore)
	})
}

// counts leaves out of counts what follows from tokens, if none was checked.
func (a *audit) counts(raw json.RawMessage) json.RawMessage {
	var c map[string]json.RawMessage
	if a.Tokens > 0 || json.Unmarshal(raw, &c) != nil {
		return raw
	}
	delete(c, "late")
	delete(c, "missing")
	raw, _ = json.Marshal(c)
	return raw
}

// equalJSON reports whether two values are the same, in whatever form.
func equalJSON(x, y json.RawMessage) bool {
	if bytes.Equal(x, y) {
		return true
	}
	var a, b any
	if json.Unmarshal(x, &a) != nil || json.Unmarshal(y, &b) != nil {
		return false
	}
	p, err := evidence.Canonical(a)
	q, err2 := evidence.Canonical(b)
	return err == nil && err2 == nil && bytes.Equal(p, q)
}

// short returns the beginning of a value.
func short(raw json.RawMessage) string {
	const most = 120
	if raw == nil {
		return "null"
	}
	if len(raw) <= most {
		return string(raw)
	}
	return string(raw[:most]) + "…"
}
