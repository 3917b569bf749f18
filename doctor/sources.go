package doctor

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"packseal.example/config"
	"packseal.example/fetcher"
	"packseal.example/internal/diag"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/i18n"
)

// source is a source under examination.
type source struct {
	*fetcher.Fetcher
	fetcher.Examiner
	answers atomic.Bool // it can be reached, and accepts the credentials
}

// sources are the checks of each source, followed by those of its packs.
func (e *examination) sources() (all []check) {
	ofPacks, ofGenerate, ofEnded := config.BySource(e.Packs), config.BySource(e.Generate), config.BySource(e.ended)
	asks, within := e.asked(ofPacks, ofGenerate)
	for _, name := range slices.Sorted(maps.Keys(e.Config.Sources)) {
		if !e.Config.Enabled(name) {
			all = append(all, check{name: "source", target: "source " + name, run: func(context.Context) []diag.Result {
				return []diag.Result{diag.Skip("source", "disabled: enabled: false")}
			}})
			continue
		}
		if !asks(name) {
			continue
		}
		packs, generate := ofPacks[name], ofGenerate[name]
		s, err := e.open(name)
		all = append(all, check{name: "source", target: "source " + name, run: func(ctx context.Context) []diag.Result {
			if err != nil {
				return []diag.Result{diag.Fail("source", err)}
			}
			return s.examine(ctx, slices.Concat(packs, generate))
		}})
		some := packs
		if !e.All {
			some = sample(packs, e.Config.Sources[name].Opener().Bounds().RequestsPerSecond, within)
		}
		all = append(all, s.packs(name, some, generate, len(packs)-len(some))...)
		if ended := ofEnded[name]; len(ended) > 0 {
			all = append(all, check{name: "permission", target: "source " + name, run: func(context.Context) []diag.Result {
				return []diag.Result{diag.Skip("permission", "%s ended: nothing is asked of them", i18n.Count(len(ended), "pack"))}
			}})
		}
		if e.Config.Sources[name].Accounts != nil {
			all = append(all, check{name: "accounts", target: "source " + name, run: func(ctx context.Context) []diag.Result { return e.accounts(ctx, s, name) }})
		}
		if e.everything {
			all = append(all, check{name: "packs", target: "source " + name, run: func(ctx context.Context) []diag.Result { return s.listed(ctx, e.Config, name) }})
		}
	}
	return all
}

// packsTime is how long asking about packs may take, over all sources: they are
// asked one after another.
const packsTime = 6 * time.Second

// asked returns which sources are asked, and how long each may be about its packs.
func (e *examination) asked(packs, generate map[string][]config.Entry) (asks func(name string) bool, within time.Duration) {
	asks = func(name string) bool {
		if !e.everything {
			return len(packs[name])+len(generate[name]) > 0
		}
		_, member := e.Config.Member(name)
		return !member || e.All || len(generate[name]) > 0 // of accounts there may be thousands: see accounts
	}
	n := 0
	for name := range packs {
		if e.Config.Enabled(name) && asks(name) {
			n++
		}
	}
	return asks, packsTime / time.Duration(max(1, n))
}

// sample returns as many of the packs as can be asked about in that time, at least
// one, evenly spread.
func sample(packs []config.Entry, perSecond float64, within time.Duration) (some []config.Entry) {
	n := max(1, int(perSecond*within.Seconds()))
	if len(packs) <= n {
		return packs
	}
	for i := range n {
		some = append(some, packs[i*len(packs)/n])
	}
	return some
}

// open opens a source as the daemon does, but without logs and metrics.
func (e *examination) open(name string) (*source, error) {
	logger := slog.New(slog.DiscardHandler)
	opener := e.Config.Sources[name].Opener()
	opened, err := opener.Open(fetcher.Env{Logger: logger, UserAgent: e.Tool})
	if err != nil {
		return nil, err
	}
	s := new(source)
	s.Examiner, _ = opened.(fetcher.Examiner)
	if s.Examiner == nil {
		return nil, fault.New(fault.Internal, "this kind of source can't be examined")
	}
	s.Fetcher, err = fetcher.New(fetcher.Options{Source: opened, Bounds: opener.Bounds(), Settings: e.Config.Fetch, Logger: logger})
	return s, err
}

// examine checks what holds for all packs, by asking about the first.
func (s *source) examine(ctx context.Context, packs []config.Entry) []diag.Result {
	var first evidence.PackRef
	if len(packs) > 0 {
		first = packs[0].PackRef
	}
	results := s.Examine(ctx, first)
	// A clock that is off does not keep calls from being answered.
	s.answers.Store(!slices.ContainsFunc(results, func(r diag.Result) bool { return r.State == diag.Bad && r.Reason != fault.ClockSkew }))
	return results
}

// packs are the checks of a source's packs, of which left are left out.
func (s *source) packs(name string, packs, generate []config.Entry, left int) (all []check) {
	for _, e := range packs {
		all = append(all, check{"permission", name + "/" + e.Pack.Key(), func(ctx context.Context) []diag.Result { return s.pack(ctx, e) }, true})
	}
	if left > 0 {
		all = append(all, check{name: "permission", target: "source " + name, run: func(context.Context) []diag.Result {
			return []diag.Result{diag.Skip("permission", "%d more packs: all of them take longer than %s within requests_per_second", left, packsTime).
				WithHint("doctor --all checks all, doctor PACK one of them")}
		}})
	}
	for _, e := range generate {
		all = append(all, check{name: "permission", target: name + "/" + e.Pack.Key(), run: func(ctx context.Context) []diag.Result { return s.generate(ctx, e.Pack.PackRef) }})
	}
	skipped := left + len(slices.DeleteFunc(slices.Clone(packs), func(e config.Entry) bool {
		return slices.ContainsFunc(generate, func(g config.Entry) bool { return g.PackRef == e.PackRef })
	}))
	if skipped > 0 {
		all = append(all, check{name: "permission", target: "source " + name, run: func(context.Context) []diag.Result { return notGenerated(skipped) }})
	}
	return all
}

// notGenerated stands for the permission to generate reports of n packs.
func notGenerated(n int) []diag.Result {
	return []diag.Result{diag.Skip("permission", "not asked whether reports may be generated of %s: to ask is to generate one", i18n.Count(n, "pack")).
		WithHint("doctor --generate PACK generates one of that pack")}
}

// pack examines one pack, its latest report and, if there is to be one, whether an
// evaluation can be waited for.
func (s *source) pack(ctx context.Context, e config.Entry) []diag.Result {
	p := e.PackRef
	if s == nil || !s.answers.Load() {
		return []diag.Result{diag.Skip("permission", "the source does not answer")}
	}
	r, link := s.ExaminePack(ctx, p)
	results := []diag.Result{r}
	switch {
	case link.URL != "":
		results = append(results, s.Peek(ctx, link))
	case r.State == diag.Good:
		results = append(results, diag.Skip("link", "there is no report to fetch yet").WithHint("ask again when one was made: doctor --generate %s generates one", p.Key()))
	}
	if e.Evaluate > 0 {
		results = append(results, s.ExamineEvaluation(ctx, p))
	}
	return results
}

// generate has a report of one pack made.
func (s *source) generate(ctx context.Context, p evidence.PackRef) []diag.Result {
	if s == nil || !s.answers.Load() {
		return []diag.Result{diag.Skip("permission", "the source does not answer")}
	}
	return []diag.Result{s.ExamineRequest(ctx, p)}
}
