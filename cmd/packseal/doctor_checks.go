package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"packseal.example/config"
	"packseal.example/fetcher"
	"packseal.example/internal/diag"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/notify"
	"packseal.example/scheduler/queue"
	"packseal.example/sink"
	"packseal.example/web"
)

// checks is the whole examination, in its order. What is to be looked at
// besides is one more line here.
func (d *doctor) checks() []check {
	all := []check{{"configuration", d.path, d.configuration}}
	all = append(all, d.sources()...)
	all = append(all, d.sinks()...)
	all = append(all,
		check{"state", "state_dir", d.state},
		check{"queue", "state_dir", d.queue},
		check{"page", "web.listen", d.page},
	)
	return append(all, d.channels()...)
}

// configuration tells what was loaded: whoever comes here has a good one.
func (d *doctor) configuration(context.Context) []diag.Result {
	return []diag.Result{diag.OK("configuration", "%d packs, %d sinks: good", len(d.cfg.Entries()), len(d.cfg.Sinks))}
}

// examined is a source that is looked at.
type examined struct {
	*fetcher.Fetcher
	fetcher.Examiner
	answers atomic.Bool // it can be reached, and takes the credentials
}

// sources are the checks of each source, followed by those of its packs.
func (d *doctor) sources() (all []check) {
	for _, name := range slices.Sorted(maps.Keys(d.cfg.Sources)) {
		s, err := d.open(name)
		of := func(list []config.Entry) []config.Entry {
			return slices.DeleteFunc(slices.Clone(list), func(e config.Entry) bool { return e.Pack.Source != name })
		}
		packs, generate := of(d.packs), of(d.generate)
		if len(packs)+len(generate) == 0 && len(d.packs) < len(d.cfg.Entries()) {
			continue // others were named
		}
		all = append(all, check{"source", "source " + name, func(ctx context.Context) []diag.Result {
			if err != nil {
				return []diag.Result{diag.Fail("source", err)}
			}
			return s.look(ctx, slices.Concat(packs, generate))
		}})
		for _, e := range packs {
			all = append(all, check{"permission", name + "/" + e.Pack.Key(), func(ctx context.Context) []diag.Result { return s.pack(ctx, e.Pack.PackRef) }})
		}
		for _, e := range generate {
			all = append(all, check{"permission", name + "/" + e.Pack.Key(), func(ctx context.Context) []diag.Result { return s.request(ctx, e.Pack.PackRef) }})
		}
		unasked := len(slices.DeleteFunc(slices.Clone(packs), func(e config.Entry) bool {
			return slices.ContainsFunc(generate, func(g config.Entry) bool { return g.Pack.PackRef == e.Pack.PackRef })
		}))
		if unasked > 0 {
			all = append(all, check{"permission", "source " + name, func(context.Context) []diag.Result { return notGenerated(unasked) }})
		}
	}
	return all
}

// notGenerated stands for the permission to have reports of n packs made.
func notGenerated(n int) []diag.Result {
	return []diag.Result{diag.Skip("permission", "whether reports of %d packs may be generated: to ask has one made", n).
		WithHint("doctor --generate PACK has one made of that pack, to see")}
}

// open opens a source as the daemon does, but for logs and metrics.
func (d *doctor) open(name string) (*examined, error) {
	logger := slog.New(slog.DiscardHandler)
	opener := d.cfg.Sources[name].Opener()
	source, err := opener.Open(fetcher.Env{Logger: logger, UserAgent: tool()})
	if err != nil {
		return nil, err
	}
	s := new(examined)
	s.Examiner, _ = source.(fetcher.Examiner)
	if s.Examiner == nil {
		return nil, fault.New(fault.Internal, "this kind of source can't be examined")
	}
	s.Fetcher, err = fetcher.New(fetcher.Options{Source: source, Bounds: opener.Bounds(), Settings: d.cfg.Fetch, Logger: logger})
	return s, err
}

// look looks at what holds for all packs, by asking about the first.
func (s *examined) look(ctx context.Context, packs []config.Entry) []diag.Result {
	var first evidence.PackRef
	if len(packs) > 0 {
		first = packs[0].Pack.PackRef
	}
	results := s.Examine(ctx, first)
	// A clock that is off does not keep calls from being answered.
	s.answers.Store(!slices.ContainsFunc(results, func(r diag.Result) bool { return r.State == diag.Bad && r.Reason != fault.ClockSkew }))
	return results
}

// pack looks at one pack, and at the report that stands there.
func (s *examined) pack(ctx context.Context, p evidence.PackRef) []diag.Result {
	if s == nil || !s.answers.Load() {
		return []diag.Result{diag.Skip("permission", "the source does not answer")}
	}
	r, link := s.ExaminePack(ctx, p)
	results := []diag.Result{r}
	switch {
	case link.URL != "":
		results = append(results, s.Peek(ctx, link))
	case r.State == diag.Good:
		results = append(results, diag.Skip("link", "there is no report to fetch yet").WithHint("ask again when one was made: doctor --generate %s has one made", p.Key()))
	}
	return results
}

// request has a report of one pack made.
func (s *examined) request(ctx context.Context, p evidence.PackRef) []diag.Result {
	if s == nil || !s.answers.Load() {
		return []diag.Result{diag.Skip("permission", "the source does not answer")}
	}
	return []diag.Result{s.ExamineRequest(ctx, p)}
}

// sinks are the checks of each sink, without the daemon's retries.
func (d *doctor) sinks() (all []check) {
	for _, s := range d.cfg.Sinks {
		all = append(all, check{"put", "sink " + s.Name, func(ctx context.Context) []diag.Result {
			opened, err := s.Opener().Open(ctx)
			if err != nil {
				return []diag.Result{diag.Fail("put", err)}
			}
			return sink.Examine(ctx, opened)
		}})
	}
	return all
}

// stateRoom is what doctor wants to see free under state_dir, in bytes: as much
// as the queue's store takes at most unless told otherwise.
const stateRoom = 256 << 20

// state looks at the folder of spool and queue.
func (d *doctor) state(context.Context) []diag.Result {
	dir := d.cfg.StateDir
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return []diag.Result{diag.Skip("state", "%s is not there yet; the daemon makes it", dir)}
	}
	return []diag.Result{diag.Writable("state", dir), diag.Room("room", dir, stateRoom)}
}

// queue looks whether a daemon is at work.
func (d *doctor) queue(context.Context) []diag.Result {
	running, err := queue.Running(filepath.Join(d.cfg.StateDir, "queue"))
	switch {
	case err != nil:
		return []diag.Result{diag.Fail("queue", fault.Wrap(fault.SinkDenied, err)).WithHint("run doctor as the user that packseal runs as")}
	case running:
		return []diag.Result{diag.OK("queue", "a daemon is at work on it")}
	}
	return []diag.Result{diag.OK("queue", "free: no daemon runs on this state_dir")}
}

// page looks at where the page is served.
func (d *doctor) page(ctx context.Context) []diag.Result {
	return web.Examine(ctx, d.cfg.Web.Listen, d.cfg.Web.ConfigFile)
}

// channels are the checks of each channel of notices. Whether a message gets
// through only a message tells, so it takes --notices.
func (d *doctor) channels() (all []check) {
	entries, err := channels(d.cfg)
	if err != nil {
		return []check{{"notice", "notify", func(context.Context) []diag.Result { return []diag.Result{diag.Fail("notice", err)} }}}
	}
	for _, e := range entries {
		all = append(all, check{"notice", "channel " + e.Name, func(ctx context.Context) []diag.Result {
			if !d.notices {
				return []diag.Result{diag.Skip("notice", "whether a message gets through: to ask sends one").
					WithHint("doctor --notices, or notify test %s, sends one", e.Name)}
			}
			if err := notify.Test(ctx, e, instance()); err != nil {
				return []diag.Result{diag.Fail("notice", err)}
			}
			return []diag.Result{diag.OK("notice", "a test message was taken")}
		}})
	}
	return all
}
