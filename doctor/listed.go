package doctor

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"packseal.example/config"
	"packseal.example/fetcher/discovery"
	"packseal.example/internal/diag"
)

// maxNamed is how many packs that are not kept are named.
const maxNamed = 5

// listed lists the packs of a source, and names those that are not kept. A source
// that discovers none can do without the permission.
func (s *source) listed(ctx context.Context, cfg *config.Config, name string) []diag.Result {
	if s == nil || !s.answers.Load() {
		return []diag.Result{diag.Skip("packs", "the source does not answer")}
	}
	lister := s.Lister()
	if lister == nil {
		return nil
	}
	scope := cfg.Scope(name)
	scope.Directory = "" // see accounts
	st, _, err := discovery.Refresh(ctx, lister, name, scope, discovery.State{})
	if err != nil {
		return []diag.Result{diag.Fail("packs", err)}
	}
	var results []diag.Result
	for _, t := range st.Troubles {
		switch {
		case t.Passing:
			results = append(results, diag.Skip("packs", "%s", t.Message))
		case cfg.Discovers(name):
			results = append(results, diag.Fail("packs", t.Err()))
		default:
			results = append(results, diag.Skip("packs", "which packs exist is not known: %s", t.Message).WithHint("%s", t.Hint))
		}
	}
	if !st.Known() {
		return results
	}
	n, some := make(map[config.Verdict]int), []string{}
	judge := cfg.Judge(name)
	for _, p := range st.Packs {
		v := judge(p.PackInfo).Verdict
		if n[v]++; v == config.NotKept && len(some) < maxNamed {
			some = append(some, fmt.Sprintf("%s (%s)", p.Ref(name).Key(), cmp.Or(p.Name, "without a name")))
		}
	}
	if n[config.NotKept] == 0 {
		var which []string
		for _, v := range []struct {
			config.Verdict
			words string
		}{{config.Kept, "kept"}, {config.Excluded, "excluded by rules"}, {config.Creating, "being created"}, {config.Disabled, "disabled"}, {config.Ended, "ended"}} {
			if n[v.Verdict] > 0 {
				which = append(which, fmt.Sprintf("%d %s", n[v.Verdict], v.words))
			}
		}
		if which == nil {
			return append(results, diag.OK("packs", "none exists"))
		}
		return append(results, diag.OK("packs", "%d exist: %s", len(st.Packs), strings.Join(which, ", ")))
	}
	if more := n[config.NotKept] - len(some); more > 0 {
		some = append(some, fmt.Sprintf("%d more", more))
	}
	return append(results, diag.Skip("packs", "%d of %d are not kept: %s", n[config.NotKept], len(st.Packs), strings.Join(some, ", ")).
		WithHint("add them to packs, or a rule to discover; keep: false excludes those that are not wanted"))
}
