package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
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
	fields := make(map[string]json.RawMessage)
	err := json.Unmarshal(raw, &fields)
	var s struct {
		Schema      string
		From, Until time.Time
		Packs       []string
		Zone        string
		Reports     Reports
	}
	if err == nil && !distinct(raw) {
		b.found.add(Doubled, StatementName, saidDoubledField)
		return c
	}
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	period := s.Until.Sub(s.From)
	if err != nil || s.Schema != StatementSchema || period <= 0 || period > longest {
		b.found.add(Unreadable, StatementName, saidStatement, StatementSchema)
		return c
	}
	return claim{Period{s.From.UTC(), s.Until.UTC(), s.Zone, s.Packs}, s.Reports, fields}
}

// distinct reports whether no object of a JSON text has two keys that some program may
// take for one: encoding/json ignores their case, and of two the last one wins.
func distinct(raw []byte) bool {
	type object struct {
		keys map[string]bool // nil: an array
		key  bool            // a key comes next
	}
	var within []object
	for d := json.NewDecoder(bytes.NewReader(raw)); ; {
		token, err := d.Token()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		if end := len(within) - 1; end >= 0 && within[end].keys != nil {
			in := &within[end]
			if name, ok := token.(string); ok && in.key {
				if name = strings.ToLower(strings.ToUpper(name)); in.keys[name] {
					return false
				}
				in.keys[name] = true
			}
			in.key = !in.key
		}
		switch token {
		case json.Delim('{'):
			within = append(within, object{keys: make(map[string]bool), key: true})
		case json.Delim('['):
			within = append(within, object{})
		case json.Delim('}'), json.Delim(']'):
			within = within[:len(within)-1]
		}
	}
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
