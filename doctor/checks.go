package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"packseal.example/config"
	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
	"packseal.example/internal/i18n"
	"packseal.example/notify"
	"packseal.example/scheduler/queue"
	"packseal.example/sink"
	"packseal.example/web"
)

// examination is one run of all checks.
type examination struct {
	Options
	everything bool           // all packs are wanted
	ended      []config.Entry // of these, those of which nothing falls due any more: nothing is asked of them
}

func newExamination(o Options, now time.Time) *examination {
	e := &examination{Options: o, everything: len(o.Packs) == len(o.Config.Entries())}
	if !e.everything {
		return e
	}
	e.Packs = nil
	for _, p := range o.Packs {
		if p.Ended(now) {
			e.ended = append(e.ended, p)
		} else {
			e.Packs = append(e.Packs, p)
		}
	}
	return e
}

// checks returns the whole examination in its order. A new kind of check is one
// more line here.
func (e *examination) checks() []check {
	all := []check{{name: "configuration", target: e.Config.File(), run: e.configuration}}
	all = append(all, e.sources()...)
	all = append(all, e.sinks()...)
	all = append(all, e.ledger()...)
	all = append(all,
		check{name: "state", target: "state_dir", run: e.state},
		check{name: "queue", target: "state_dir", run: e.queue},
		check{name: "page", target: "web.listen", run: e.page},
	)
	return append(all, e.channels()...)
}

// configuration reports what was loaded: it was checked before.
func (e *examination) configuration(context.Context) []diag.Result {
	results := []diag.Result{diag.OK("configuration", "%s: good", e.Config.Summary())}
	if !e.everything {
		return results
	}
	for _, s := range e.Config.Sinks {
		kept := 0
		for _, p := range e.Packs {
			if p.Sinks == nil || slices.Contains(p.Sinks, s.Name) {
				kept++
			}
		}
		switch all := i18n.Count(len(e.Packs), "pack"); {
		case kept == len(e.Packs):
		case kept == 0:
			results = append(results, diag.Skip("sinks", "%s keeps the reports of 0 of %s", s.Name, all).WithHint("name it under sinks of defaults, a source or a pack, or remove it once nothing is in it that you need"))
		default:
			results = append(results, diag.OK("sinks", "%s keeps the reports of %d of %s", s.Name, kept, all))
		}
	}
	return results
}

// sinks are the checks of each sink, without the daemon's retries.
func (e *examination) sinks() (all []check) {
	for _, s := range e.Config.Sinks {
		all = append(all, check{name: "put", target: "sink " + s.Name, run: func(ctx context.Context) []diag.Result {
			opened, err := s.Opener().Open(ctx)
			if err != nil {
				return []diag.Result{diag.Fail("put", err)}
			}
			return sink.Examine(ctx, opened)
		}})
	}
	return all
}

// minFree is how many bytes should be free under state_dir: the default
// limit of the queue's store.
const minFree = 256 << 20

// state examines the folder of spool and queue.
func (e *examination) state(context.Context) []diag.Result {
	dir := e.Config.StateDir
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return []diag.Result{diag.Skip("state", "%s is not there yet; the daemon makes it", dir)}
	}
	return []diag.Result{diag.Writable("state", dir), diag.FreeSpace("free-space", dir, minFree)}
}

// queue reports whether a daemon runs on the state folder.
func (e *examination) queue(context.Context) []diag.Result {
	running, err := queue.Running(filepath.Join(e.Config.StateDir, "queue"))
	switch {
	case err != nil:
		return []diag.Result{diag.Fail("queue", fault.Wrap(fault.SinkDenied, err)).WithHint("run doctor as the user that packseal runs as")}
	case running:
		return []diag.Result{diag.OK("queue", "a daemon is at work on it")}
	}
	return []diag.Result{diag.OK("queue", "free: no daemon runs on this state_dir")}
}

// page examines the address that the page is served on.
func (e *examination) page(ctx context.Context) []diag.Result {
	return web.Examine(ctx, e.Config.Web.Listen, e.Config.Web.ConfigFile)
}

// channels are the checks of each notification channel. Only a message shows
// whether messages get through, so that takes Options.Notices.
func (e *examination) channels() (all []check) {
	entries, err := e.Config.Channels(notify.Env{UserAgent: e.Tool})
	if err != nil {
		return []check{{name: "notice", target: "notify", run: func(context.Context) []diag.Result { return []diag.Result{diag.Fail("notice", err)} }}}
	}
	for _, channel := range entries {
		all = append(all, check{name: "notice", target: "channel " + channel.Name, run: func(ctx context.Context) []diag.Result {
			if !e.Notices {
				return []diag.Result{diag.Skip("notice", "whether a message gets through: to ask sends one").
					WithHint("doctor --notices, or notify test %s, sends one", channel.Name)}
			}
			if err := notify.Test(ctx, channel, e.Instance); err != nil {
				return []diag.Result{diag.Fail("notice", err)}
			}
			return []diag.Result{diag.OK("notice", "a test message was taken")}
		}})
	}
	return all
}
