// Package fault classifies failures by reason and retries those that are
// transient.
//
// The edges of packseal (the Config client, the downloader, the sinks, the
// file system) classify each failure once, with [New] or [Wrap]. Everything
// else only asks: [Of] for the reason, [Transient] for whether a retry can
// help, [RetryAfter] for when. Gap records, log lines and metric labels carry
// the same Reason, so there is one vocabulary for all of them.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Reason is the kind of a failure: a short, stable word that is safe as a
// metric label and in records that are kept for years.
type Reason string

// The reasons. Those of the first group are transient; those of the second
// last until somebody acts; those of the third end a slot although nothing
// failed.
const (
	Throttled       Reason = "throttled"        // the API or the store asks for fewer requests
	Unavailable     Reason = "unavailable"      // 5xx, timeout, connection reset, no route
	NotReady        Reason = "not_ready"        // the report is still being generated
	LinkExpired     Reason = "link_expired"     // the signed link has expired: look it up again
	Damaged         Reason = "damaged"          // a body that is truncated, too long, altered or an error page
	Busy            Reason = "busy"             // another process is working on the same slot
	SinkUnavailable Reason = "sink_unavailable" // storage is down, slow, full or read-only
	ClockSkew       Reason = "clock_skew"       // the local clock is too far off the server's
	Canceled        Reason = "canceled"         // the process was asked to stop

	NotFound    Reason = "not_found"    // no such pack, report template, account group or account
	Denied      Reason = "denied"       // the credentials are valid but lack a permission
	Credentials Reason = "credentials"  // the credentials are missing, wrong or revoked
	Request     Reason = "request"      // the API rejected the request itself: a wrong endpoint, or a bug in packseal
	LinkRefused Reason = "link_refused" // the link was rejected for a reason other than expiry, or points where it must not
	TooLarge    Reason = "too_large"    // the report is over the configured maximum
	Conflict    Reason = "conflict"     // the key already holds other content
	SinkDenied  Reason = "sink_denied"  // storage refuses our credentials, the bucket or the condition
	Deleted     Reason = "deleted"      // an object that was in storage and was deleted: nothing takes its place
	NotRestored Reason = "not_restored" // an object in an archive tier of the storage, to be restored before it can be read
	Newer       Reason = "newer"        // a record written by a newer packseal, which this version cannot read
	Internal    Reason = "internal"     // a bug in packseal: a panic, or an error that was not classified

	Deadline Reason = "deadline" // the slot timed out before a fresh report was available
	Overlap  Reason = "overlap"  // the pack's previous slot was still in progress
	Missed   Reason = "missed"   // work on the slot was not begun in time: the daemon was not running, the machine or the queue stood still, the clock was set forward, or the pack had left the configuration
	Absent   Reason = "absent"   // the slot was due, and no record of it was found: nobody knows why
	Paused   Reason = "paused"   // the pack or its source was paused for longer than the slot could wait
)

// Reasons returns every reason in the order of definition, for metrics that
// create all their series at the start.
func Reasons() []Reason {
	return []Reason{
		Throttled, Unavailable, NotReady, LinkExpired, Damaged, Busy, SinkUnavailable, ClockSkew, Canceled,
		NotFound, Denied, Credentials, Request, LinkRefused, TooLarge, Conflict, SinkDenied, Deleted, NotRestored, Newer, Internal,
		Deadline, Overlap, Missed, Absent, Paused,
	}
}

// Transient reports whether a later retry can succeed.
func (r Reason) Transient() bool {
	switch r {
	case Throttled, Unavailable, NotReady, LinkExpired, Damaged, Busy, SinkUnavailable, ClockSkew, Canceled:
		return true
	}
	return false
}

// Error is a classified failure. Its message is Err's; the hint is shown to
// people on a line of its own.
type Error struct {
	Reason     Reason
	Err        error
	Hint       string        // what to do about it, or empty
	RetryAfter time.Duration // the least time to wait before a retry; 0 if the server gave none
}

// Error returns the message of Err.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error that was classified.
func (e *Error) Unwrap() error { return e.Err }

// New returns a classified error with a message formatted as by [fmt.Errorf].
func New(r Reason, format string, args ...any) *Error {
	return &Error{Reason: r, Err: fmt.Errorf(format, args...)}
}

// Wrap classifies err. It returns nil for a nil err.
func Wrap(r Reason, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Reason: r, Err: err}
}

// WithHint sets the hint and returns e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// Of returns the outermost reason in err's chain. For an error that was not
// classified it is Canceled or Deadline if a context ended, and Internal
// otherwise. Of(nil) is the empty Reason.
func Of(err error) Reason {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return Deadline
	case errors.Is(err, context.Canceled):
		return Canceled
	}
	return Internal
}

// Ended returns the error for something that ended with ctx. It keeps the reason of
// the cause, if that is classified.
func Ended(ctx context.Context, doing string) error {
	cause := context.Cause(ctx)
	err := fmt.Errorf("%s: %w", doing, cause)
	if _, ok := errors.AsType[*Error](cause); ok {
		return err
	}
	return Wrap(Of(ctx.Err()), err)
}

// Transient reports whether a later retry can succeed where err occurred.
func Transient(err error) bool { return Of(err).Transient() }

// RetryAfter returns how long the server asked to wait, or 0.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// Hint returns the first hint in err's chain, or "".
func Hint(err error) string {
	for err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}
