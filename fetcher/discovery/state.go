package discovery

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/fault"
)

// State is what is known of the packs of a source. The zero State knows nothing.
type State struct {
	Revision int       `json:"revision,omitempty"` // counts looks
	Scope    Scope     `json:"scope"`              // of the last look
	Tried    time.Time `json:"tried,omitzero"`     // the last look; UTC, whole seconds
	Listed   time.Time `json:"listed,omitzero"`    // the last one that listed everything; zero = none has
	Packs    []Pack    `json:"packs,omitempty"`    // by account group and ID
	Troubles []Trouble `json:"troubles,omitempty"` // of the last look

	Accounts       []Account `json:"accounts,omitempty"`       // member accounts, by ID
	AccountsListed time.Time `json:"accounts_listed,omitzero"` // the last look that listed all of them; zero = none has
}

// Pack is a pack that a source has.
type Pack struct {
	fetcher.PackInfo
	Found  time.Time `json:"found,omitzero"`   // the look that found it; UTC, whole seconds; zero = it was there before everything was listed for the first time
	Missed int       `json:"missed,omitempty"` // listings in a row that lacked it
}

// compare orders packs by account group and ID.
func (p Pack) compare(q Pack) int {
	return cmp.Or(cmp.Compare(p.Aggregator, q.Aggregator), cmp.Compare(p.ID, q.ID))
}

// Known reports whether everything was listed once: before, a pack that is not
// among Packs may exist.
func (s State) Known() bool { return !s.Listed.IsZero() }

// Replaces reports whether a state that replicas share takes the place of another one.
// Of two looks at once the one that is shared last counts. Times don't: clocks differ.
func (s State) Replaces(own State) bool {
	return s.Revision > own.Revision || s.Revision == own.Revision && !s.Tried.Equal(own.Tried)
}

// Failing returns the first trouble of the last look that does not end by itself;
// nil if everything was listed.
func (s State) Failing() error {
	for _, t := range s.Troubles {
		if !t.Passing {
			return t.Err()
		}
	}
	return nil
}

// Changes are what a look at a source has changed.
type Changes struct {
	Found []Pack // that are new
	Gone  []Pack // that do not exist any more

	AccountsFound []Account // that are new
	AccountsGone  []Account // that have left the directory
}

// missedBefore is how many listings in a row must lack a pack before the source is
// asked for it.
const missedBefore = 2

// Refresh looks at a source once, and returns what is known after that and what has
// changed. An error is that of ctx, and changes nothing.
func Refresh(ctx context.Context, l fetcher.Lister, source string, scope Scope, old State) (State, Changes, error) {
	now := time.Now().UTC().Truncate(time.Second)
	found, err := list(ctx, l, scope)
	if err != nil {
		return old, Changes{}, err
	}
	if foreign := old.foreign(found); foreign != nil {
		next := old
		next.Revision++
		next.Scope, next.Tried, next.Troubles = scope, now, []Trouble{newTrouble("", foreign)}
		return next, Changes{}, nil
	}
	next, changes := old.merge(found, scope, now)
	next.mergeAccounts(old, found, now, &changes)
	if err := next.confirm(ctx, l, source, &changes); err != nil {
		return old, Changes{}, err
	}
	return next, changes, nil
}

// Account returns the ID of the account whose packs were listed; "" if it has none.
func (s State) Account() string {
	for _, p := range s.Packs {
		if p.Aggregator == "" && !isTemplate(p.PackInfo) && p.Account != "" {
			return p.Account
		}
	}
	return ""
}

// foreign returns an error if a listing of the account is that of another one: it
// has none of the packs that are known, and all of its packs are of other accounts.
func (s State) foreign(l *listing) error {
	accounts, known := make(map[string]bool), make(map[string]bool)
	for _, p := range s.Packs {
		if p.Aggregator == "" && !isTemplate(p.PackInfo) {
			accounts[p.Account], known[p.ID] = true, true
		}
	}
	other := ""
	for _, p := range l.packs {
		if p.Aggregator != "" || isTemplate(p) {
			continue
		}
		if known[p.ID] || accounts[p.Account] {
			return nil
		}
		other = p.Account
	}
	if len(known) == 0 || other == "" {
		return nil
	}
	return fault.New(fault.Credentials, "the credentials are those of account %s, which has none of the %d packs that were found with them before", other, len(known)).
		WithHint("restore the credentials; an account of its own is a source of its own")
}

// merge returns the state after a listing.
func (s State) merge(l *listing, scope Scope, now time.Time) (next State, changes Changes) {
	next = State{Revision: s.Revision + 1, Scope: scope, Tried: now, Listed: s.Listed, Troubles: l.troubles}
	if l.whole(scope) {
		next.Listed = now
	}
	type key struct{ aggregator, id string }
	before := make(map[key]Pack, len(s.Packs))
	for _, p := range s.Packs {
		before[key{p.Aggregator, p.ID}] = p
	}
	for _, info := range l.packs {
		k := key{info.Aggregator, info.ID}
		p, known := before[k]
		delete(before, k)
		p.PackInfo, p.Missed = info, 0
		if !known {
			if s.Known() {
				p.Found = now
			}
			changes.Found = append(changes.Found, p)
		}
		next.Packs = append(next.Packs, p)
	}
	for _, p := range before {
		if !scope.has(p.PackInfo) {
			continue // nobody wants to know any more
		}
		if l.lacks(p.PackInfo) {
			p.Missed++
		}
		next.Packs = append(next.Packs, p)
	}
	slices.SortFunc(next.Packs, Pack.compare)
	slices.SortFunc(changes.Found, Pack.compare)
	return next, changes
}

// whole reports whether everything in the scope was listed.
func (l *listing) whole(s Scope) bool {
	if !l.covers("") || s.All && !l.groups {
		return false
	}
	for _, t := range l.troubles {
		if t.Aggregator != "" && !t.Passing && !l.read[t.Aggregator] {
			return false
		}
	}
	return true
}

// confirm asks the source for the packs that listings lacked, and removes those that
// do not exist. One that can't be asked for stays. An error is that of ctx.
func (s *State) confirm(ctx context.Context, l fetcher.Lister, source string, changes *Changes) error {
	kept := make([]Pack, 0, len(s.Packs))
	for _, p := range s.Packs {
		if p.Missed < missedBefore {
			kept = append(kept, p)
			continue
		}
		ref := p.Ref(source)
		gone, err := l.Gone(ctx, ref)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case gone:
			changes.Gone = append(changes.Gone, p)
			continue
		case err != nil:
			s.Troubles = append(s.Troubles, Trouble{
				Aggregator: p.Aggregator, Message: fmt.Sprintf("%s was in none of the last %d listings, and whether it exists is not known: %s", ref.Key(), p.Missed, err),
				Hint: fault.Hint(err), Reason: fault.Of(err), Passing: true,
			})
		}
		kept = append(kept, p)
	}
	s.Packs = kept
	return nil
}
