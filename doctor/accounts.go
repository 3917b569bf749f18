package doctor

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"packseal.example/config"
	"packseal.example/fetcher"
	"packseal.example/fetcher/discovery"
	"packseal.example/internal/diag"
	"packseal.example/internal/evidence"
	"packseal.example/internal/i18n"
)

// maxRefused is how many accounts are told of that can't be listed.
const maxRefused = 20

// accounts lists the member accounts of a source, assumes the role in each that is kept,
// and lists its packs.
func (e *examination) accounts(ctx context.Context, s *source, name string) []diag.Result {
	if s == nil || !s.answers.Load() {
		return []diag.Result{diag.Skip("accounts", "the source does not answer")}
	}
	st, _, err := discovery.Refresh(ctx, s.Lister(), name, discovery.Scope{Directory: e.Config.Scope(name).Directory}, discovery.State{})
	if err != nil {
		return []diag.Result{diag.Fail("accounts", err)}
	}
	var results []diag.Result
	for _, t := range st.Troubles {
		if !t.Accounts {
			continue // it is told of by another check
		}
		if t.Passing {
			results = append(results, diag.Skip("accounts", "%s", t.Message))
		} else {
			results = append(results, diag.Fail("accounts", t.Err()))
		}
	}
	with := e.Config.With(map[string]discovery.State{name: st})
	if own := evidence.MemberSource(name, st.Account()); st.Account() != "" && isKept(with, name, st) {
		results = append(results, diag.Skip("accounts", "%s is the account of %s itself: its packs are there twice", own, name).
			WithHint("leave it out: accounts: {rules: [{match: {id: %q}, keep: false}, …]}", st.Account()))
	}
	members := e.members(with, name, st)
	if len(members) == 0 && st.AccountsListed.IsZero() {
		return results
	}
	var refused, examined []diag.Result
	more := 0
	var mu sync.Mutex
	asking, ctx := errgroup.WithContext(ctx)
	asking.SetLimit(besides)
	for _, m := range members {
		if !m.listed {
			more++
		}
		asking.Go(func() error {
			refusal, found, err := e.ask(ctx, s, with, m)
			if !m.listed && !st.AccountsListed.IsZero() {
				found = append(found, diag.Skip("accounts", "packs names it, and the directory does not list the account").At(m.title))
			}
			mu.Lock()
			defer mu.Unlock()
			refused, examined = append(refused, refusal...), append(examined, found...)
			return err
		})
	}
	if err := asking.Wait(); err != nil {
		return append(results, diag.Fail("accounts", err))
	}
	for _, list := range [][]diag.Result{refused, examined} {
		slices.SortStableFunc(list, func(a, b diag.Result) int { return strings.Compare(a.Target, b.Target) })
	}
	results = slices.Concat(results, refused[:min(len(refused), maxRefused)], examined)
	if st.AccountsListed.IsZero() {
		return results
	}
	all := i18n.Count(len(st.Accounts), "account")
	if more > 0 {
		all += fmt.Sprintf(" and %d that packs names", more)
	}
	return append(results, diag.OK("accounts", "%s: %d kept, in %d of them the role can be assumed and packs can be listed", all, len(members), len(members)-len(refused)))
}

// isKept reports whether the account that lists the directory is one of its accounts
// that are kept.
func isKept(cfg *config.Config, name string, st discovery.State) bool {
	return slices.ContainsFunc(st.Accounts, func(a discovery.Account) bool {
		return a.ID == st.Account() && cfg.KeepsAccount(name, a.AccountInfo)
	})
}

// member is an account that is asked.
type member struct {
	source, title string
	listed        bool           // the directory has it
	named         []config.Entry // its packs in the file
}

// members returns the accounts of a source that are kept: those that were listed, and
// those that packs name.
func (e *examination) members(with *config.Config, name string, st discovery.State) (all []member) {
	named := make(map[string][]config.Entry)
	for _, p := range with.Named() {
		if m, ok := with.Member(p.Pack.Source); ok && m.Parent == name && !p.Ended(time.Now()) {
			named[p.Pack.Source] = append(named[p.Pack.Source], p)
		}
	}
	for _, a := range st.Accounts {
		source := evidence.MemberSource(name, a.ID)
		if _, ok := named[source]; ok || with.KeepsAccount(name, a.AccountInfo) {
			all = append(all, member{source, strings.TrimSpace("source " + source + " " + a.Name), true, named[source]})
		}
		delete(named, source)
	}
	for _, source := range slices.Sorted(maps.Keys(named)) {
		all = append(all, member{source, "source " + source, false, named[source]})
	}
	return all
}

// ask assumes the role of an account, lists its packs, and asks about those that the
// file names. A refusal is that the former failed. An error is that of ctx.
func (e *examination) ask(ctx context.Context, parent *source, cfg *config.Config, m member) (refusal, results []diag.Result, err error) {
	fail := func(why error) []diag.Result { return []diag.Result{diag.Fail("accounts", why).At(m.title)} }
	opened, err := cfg.Sources[m.source].Opener().Open(fetcher.Env{Logger: slog.New(slog.DiscardHandler), UserAgent: e.Tool, Parent: parent.Source()})
	if err != nil {
		return fail(err), nil, nil
	}
	if lister, lists := opened.(fetcher.Lister); lists {
		st, _, err := discovery.Refresh(ctx, lister, m.source, discovery.Scope{}, discovery.State{})
		if err != nil {
			return nil, nil, err
		}
		if failing := st.Failing(); failing != nil {
			return fail(failing), nil, nil
		}
	}
	examiner, can := opened.(fetcher.Examiner)
	if !can || e.All { // each of them is a check of its own then
		return nil, nil, nil
	}
	for i, p := range m.named {
		if i == maxNamed {
			results = append(results, diag.Skip("permission", "%d more packs", len(m.named)-i).WithHint("doctor --all checks all, doctor PACK one of them").At(m.title))
			break
		}
		r, _ := examiner.ExaminePack(ctx, p.PackRef)
		results = append(results, r.At(m.source+"/"+p.Pack.Key()))
	}
	return nil, results, nil
}
