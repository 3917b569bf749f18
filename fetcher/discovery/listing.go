// Package discovery finds out which packs a source has, and remembers them.
//
// A listing is not proof of what it lacks: the pages of the API are numbered, and
// shift when a pack is deleted while they are read. So a pack is gone only when two
// listings in a row lacked it and the source, asked for it by its ID, says that it
// does not exist. What could not be listed says nothing of its packs.
package discovery

import (
	"context"
	"fmt"
	"iter"
	"regexp"
	"slices"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Scope is what of a source is listed, beside the packs of the account itself.
type Scope struct {
	All         bool     `json:"all,omitempty"`         // every account group
	Aggregators []string `json:"aggregators,omitempty"` // these account groups; sorted, each once
	Templates   []string `json:"templates,omitempty"`   // these report templates, "crt-…"; sorted, each once
	Directory   string   `json:"directory,omitempty"`   // the endpoint of a Resource Directory whose member accounts are listed as well
}

// Has reports whether packs of that account group are listed; "" is the account.
func (s Scope) Has(aggregator string) bool {
	return aggregator == "" || s.All || slices.Contains(s.Aggregators, aggregator)
}

// has reports whether a pack is listed.
func (s Scope) has(p fetcher.PackInfo) bool {
	if isTemplate(p) {
		return slices.Contains(s.Templates, p.ID)
	}
	return s.Has(p.Aggregator)
}

// isTemplate reports whether it is a report template, not a compliance pack.
func isTemplate(p fetcher.PackInfo) bool { return p.Ref("").Kind() == evidence.Template }

// Equal reports whether two scopes are the same.
func (s Scope) Equal(t Scope) bool {
	return s.All == t.All && s.Directory == t.Directory && slices.Equal(s.Aggregators, t.Aggregators) && slices.Equal(s.Templates, t.Templates)
}

// Trouble is why packs could not be listed.
type Trouble struct {
	Aggregator string       `json:"aggregator,omitempty"` // whose packs; empty: the account's, or what Message says
	Message    string       `json:"message"`
	Hint       string       `json:"hint,omitempty"`
	Reason     fault.Reason `json:"reason"`
	Accounts   bool         `json:"accounts,omitempty"` // it is about the member accounts
	Passing    bool         `json:"passing,omitempty"`  // nothing is wrong: it ends by itself
}

// newTrouble is an error of listing an account group; "" is the account.
func newTrouble(aggregator string, err error) Trouble {
	return Trouble{Aggregator: aggregator, Message: err.Error(), Hint: fault.Hint(err), Reason: fault.Of(err)}
}

// Err is the trouble as an error.
func (t Trouble) Err() error {
	e := fault.New(t.Reason, "%s", t.Message)
	e.Hint = t.Hint
	return e
}

// listing is what one look at a source showed.
type listing struct {
	packs    []fetcher.PackInfo // each once
	read     map[string]bool    // account groups whose packs are all among packs, or that do not exist; "" is the account
	groups   bool               // all account groups are known
	template bool               // all report templates of the scope that exist are among packs
	members  *accountListing    // nil = they were not asked for
	troubles []Trouble
}

// lacks reports whether the listing would have shown a pack that it does not show.
func (l *listing) lacks(p fetcher.PackInfo) bool {
	if isTemplate(p) {
		return l.template
	}
	return l.covers(p.Aggregator)
}

// covers reports whether the listing would have shown a pack of that account group.
func (l *listing) covers(aggregator string) bool {
	return l.read[aggregator] || l.groups && !slices.ContainsFunc(l.troubles, func(t Trouble) bool { return t.Aggregator == aggregator })
}

// maxPacks ends a listing that no source has.
const maxPacks = 200_000

// The IDs of packs and account groups become parts of names.
var (
	packID       = regexp.MustCompile(`^cp-[A-Za-z0-9._-]{1,120}$`)
	templateID   = regexp.MustCompile(`^crt-[A-Za-z0-9._-]{1,120}$`)
	aggregatorID = regexp.MustCompile(`^ca-[A-Za-z0-9._-]{1,120}$`)
)

// list lists the packs of a scope. An error is that of ctx: what could not be listed
// is among the troubles.
func list(ctx context.Context, l fetcher.Lister, s Scope) (*listing, error) {
	found := &listing{read: make(map[string]bool)}
	aggregators := append([]string{""}, s.Aggregators...)
	if s.All {
		aggregators = append(aggregators, found.aggregators(ctx, l)...)
	}
	for _, a := range slices.Compact(slices.Sorted(slices.Values(aggregators))) {
		if !slices.ContainsFunc(found.troubles, func(t Trouble) bool { return t.Aggregator == a && a != "" }) {
			found.account(ctx, l, a)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	if len(s.Templates) > 0 {
		found.templates(ctx, l, s.Templates)
	}
	found.directory(ctx, l, s)
	return found, context.Cause(ctx)
}

// templates lists the report templates of the scope.
func (f *listing) templates(ctx context.Context, l fetcher.Lister, wanted []string) {
	wanted = slices.Clone(wanted)
	for p, err := range l.Templates(ctx) {
		if err != nil {
			f.troubles = append(f.troubles, newTrouble("", err))
			return
		}
		if i := slices.Index(wanted, p.ID); i >= 0 {
			f.packs, wanted = append(f.packs, p), slices.Delete(wanted, i, i+1)
		}
	}
	f.template = true
}

// aggregators returns the account groups that can be listed.
func (f *listing) aggregators(ctx context.Context, l fetcher.Lister) (ids []string) {
	for g, err := range l.Aggregators(ctx) {
		switch {
		case err != nil:
			f.troubles = append(f.troubles, newTrouble("", err))
			return ids
		case !aggregatorID.MatchString(g.ID):
			f.unusable("an account group", g.ID)
		case g.Creating:
			f.troubles = append(f.troubles, Trouble{
				Aggregator: g.ID, Message: fmt.Sprintf("account group %s is being created: its packs are listed once it is there", g.ID),
				Reason: fault.NotReady, Passing: true,
			})
		default:
			ids = append(ids, g.ID)
		}
	}
	f.groups = true
	return ids
}

// account lists the packs of one account group; "" is the account.
func (f *listing) account(ctx context.Context, l fetcher.Lister, aggregator string) {
	err := f.packsOf(l.Packs(ctx, aggregator))
	switch {
	case err == nil:
		f.read[aggregator] = true
	case fault.Of(err) == fault.NotFound && aggregator != "":
		f.read[aggregator] = true
		f.troubles = append(f.troubles, Trouble{
			Aggregator: aggregator, Message: fmt.Sprintf("there is no account group %s, or it is still being created", aggregator),
			Hint: "check aggregators, and that the credentials belong to the account that owns the group", Reason: fault.NotFound,
		})
	default:
		f.troubles = append(f.troubles, newTrouble(aggregator, err))
	}
}

// packsOf adds packs.
func (f *listing) packsOf(packs iter.Seq2[fetcher.PackInfo, error]) error {
	for p, err := range packs {
		switch {
		case err != nil:
			return err
		case len(f.packs) == maxPacks:
			return fault.New(fault.Damaged, "listing packs: more than %d", maxPacks)
		case !packID.MatchString(p.ID):
			f.unusable("a pack", p.ID)
		default:
			f.packs = append(f.packs, p)
		}
	}
	return nil
}

// maxUnusable bounds how many IDs that can't be used are told of.
const maxUnusable = 10

// unusable tells of an ID that can't be part of a name.
func (f *listing) unusable(what, id string) {
	n := 0
	for _, t := range f.troubles {
		if t.Reason == fault.Damaged {
			n++
		}
	}
	if n < maxUnusable {
		f.troubles = append(f.troubles, Trouble{
			Message: fmt.Sprintf("%s has the ID %.60q, which can't be part of a name: it is left out", what, id), Reason: fault.Damaged,
		})
	}
}
