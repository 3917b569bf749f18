package doctor

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

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
	if st.AccountsListed.IsZero() {
		return results
	}
	with := e.Config.With(map[string]discovery.State{name: st})
	kept, refused := 0, []diag.Result(nil)
	var mu sync.Mutex
	asking, ctx := errgroup.WithContext(ctx)
	asking.SetLimit(besides)
	for _, a := range st.Accounts {
		if !with.KeepsAccount(name, a.AccountInfo) {
			continue
		}
		kept++
		asking.Go(func() error {
			member := evidence.MemberSource(name, a.ID)
			failing, err := e.ask(ctx, s, with, member)
			mu.Lock()
			defer mu.Unlock()
			if failing != nil {
				r := diag.Fail("accounts", failing)
				r.Target = strings.TrimSpace("source " + member + " " + a.Name)
				refused = append(refused, r)
			}
			return err
		})
	}
	if err := asking.Wait(); err != nil {
		return append(results, diag.Fail("accounts", err))
	}
	slices.SortFunc(refused, func(a, b diag.Result) int { return strings.Compare(a.Target, b.Target) })
	results = append(results, refused[:min(len(refused), maxRefused)]...)
	summary := diag.OK("accounts", "%s: %d kept, in %d of them the role can be assumed and packs can be listed", i18n.Count(len(st.Accounts), "account"), kept, kept-len(refused))
	return append(results, summary)
}

// ask lists the packs of a member account, and returns why that fails. The other error
// is that of ctx.
func (e *examination) ask(ctx context.Context, parent *source, cfg *config.Config, member string) (failing, err error) {
	opened, err := cfg.Sources[member].Opener().Open(fetcher.Env{Logger: slog.New(slog.DiscardHandler), UserAgent: e.Tool, Parent: parent.Source()})
	if err != nil {
		return err, nil
	}
	lister, ok := opened.(fetcher.Lister)
	if !ok {
		return nil, nil
	}
	st, _, err := discovery.Refresh(ctx, lister, member, discovery.Scope{}, discovery.State{})
	return st.Failing(), err
}
