// Package doctor tries live what the daemon will do: it reaches the sources
// with their credentials, asks about packs, writes to the sinks, and looks at
// the state folder, the page's address and the notification channels.
package doctor

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"packseal.example/config"
	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
)

// Options say what is examined. Required fields are marked.
type Options struct {
	Config   *config.Config // required
	Packs    []config.Entry // the packs to examine; none = no pack
	All      bool           // ask about each of them, however long that takes
	Generate []config.Entry // packs to have a report made of; none = no report is made
	Notices  bool           // send each notification channel a test message
	Timeout  time.Duration  // of one check; default 30s
	Tool     string         // "packseal/<version>", for servers
	Instance string         // the host's name, for test messages
}

// check is one part of the examination. Its results are about target where
// they name none themselves.
type check struct {
	name, target string
	run          func(context.Context) []diag.Result
	beside       bool // it can be made beside others of its kind
}

// besides is how many checks are made at once.
const besides = 16

// Run makes every check, those of packs side by side, and yields the results in
// the order of the checks, each as soon as it is known. It ends early when ctx
// ends.
func Run(ctx context.Context, o Options) iter.Seq[diag.Result] {
	return func(yield func(diag.Result) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		e := newExamination(o, time.Now())
		for results := range inOrder(ctx, e.checks(), cmp.Or(o.Timeout, 30*time.Second)) {
			for _, r := range results {
				if !yield(r) {
					return
				}
			}
			if ctx.Err() != nil {
				return
			}
		}
	}
}

// inOrder yields the results of each check. It runs ahead of them as far as checks
// can be made beside one another.
func inOrder(ctx context.Context, checks []check, timeout time.Duration) iter.Seq[[]diag.Result] {
	return func(yield func([]diag.Result) bool) {
		var begun []chan []diag.Result // of the checks from the first on that is not yielded
		for i, c := range checks {
			for ahead := i + len(begun); ahead < len(checks) && len(begun) < besides && (ahead == i || c.beside && checks[ahead].beside); ahead++ {
				done := make(chan []diag.Result, 1)
				go func() { done <- do(ctx, checks[ahead], timeout) }()
				begun = append(begun, done)
			}
			if !yield(<-begun[0]) {
				return
			}
			begun = begun[1:]
		}
	}
}

// Err joins the errors of results, nil when none is bad. An error that does
// not go away by itself comes first, as [fault.Of] goes by the first.
func Err(results []diag.Result) error {
	var lasting, passing []error
	for _, r := range results {
		switch err := r.Err(); {
		case err == nil:
		case r.Reason.Transient() || r.Reason == fault.Deadline:
			passing = append(passing, err)
		default:
			lasting = append(lasting, err)
		}
	}
	return errors.Join(slices.Concat(lasting, passing)...)
}

// linger is how long a check that ran out of time has to report what it was
// waiting for.
const linger = 2 * time.Second

// do makes one check within its time. A check that hangs, for instance on a
// dead network file system, is abandoned.
func do(ctx context.Context, c check, timeout time.Duration) []diag.Result {
	ctx, stop := context.WithTimeoutCause(ctx, timeout, fault.New(fault.Deadline, "no answer within %s", timeout))
	defer stop()
	done := make(chan []diag.Result, 1)
	go func() { done <- c.run(ctx) }()
	var results []diag.Result
	select {
	case results = <-done:
	case <-ctx.Done():
		select {
		case results = <-done:
		case <-time.After(linger):
			results = []diag.Result{diag.Fail(c.name, context.Cause(ctx))}
		}
	}
	for i := range results {
		results[i].Target = cmp.Or(results[i].Target, c.target)
	}
	return results
}
