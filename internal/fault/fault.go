// Package fault says what kind of failure an error is, and what follows from it.
//
// The edges of packseal (the Config client, the downloader, the sinks, the
// file system) classify each failure once, with [New] or [Wrap]; everybody
// else only asks: [Of] for the reason, [Transient] for whether trying again
// can help, [RetryAfter] for when. A Reason is also what a gap record, a log
// line and a metric label carry, so there is one vocabulary for all of them.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Reason is the kind of a failure: a short, stable word, safe as a metric
// label and in a record that is kept for years.
type Reason string

// The reasons. Those of the first group pass by themselves; those of the
// second stay until somebody acts; those of the third settle a slot without
// a failure of any part.
const (
	Throttled       Reason = "throttled"        // the API or the store asks to slow down
	Unavailable     Reason = "unavailable"      // 5xx, time-out, reset, no route
	NotReady        Reason = "not_ready"        // the report is still being made
	LinkExpired     Reason = "link_expired"     // the signed link is past its life: look it up again
	Damaged         Reason = "damaged"          // a body that is short, long, altered or an error page
	Busy            Reason = "busy"             // somebody else is at work on the same slot
	SinkUnavailable Reason = "sink_unavailable" // storage is down, slow, full or read-only
	ClockSkew       Reason = "clock_skew"       // the local clock is too far from the server's
	Canceled        Reason = "canceled"         // we were asked to stop

	NotFound    Reason = "not_found"    // no such pack, account group or account
	Denied      Reason = "denied"       // the credentials are good, the permission is missing
	Credentials Reason = "credentials"  // the credentials are missing, wrong or gone
	Request     Reason = "request"      // the API refused the request itself: a fault of ours
	LinkRefused Reason = "link_refused" // the link was refused for another reason than its age, or points where it must not
	TooLarge    Reason = "too_large"    // the report is over the configured maximum
	Conflict    Reason = "conflict"     // the key holds other bytes already
	SinkDenied  Reason = "sink_denied"  // storage refuses our credentials, the bucket or the condition
	Newer       Reason = "newer"        // a record of a newer packseal, which this one can't read
	Internal    Reason = "internal"     // a fault of packseal: a panic, or an error nobody classified

	Deadline Reason = "deadline" // the slot's time-out passed before a fresh report was had
	Overlap  Reason = "overlap"  // the pack's earlier slot was still at work
	Missed   Reason = "missed"   // the daemon was not running when the slot fell due
	Paused   Reason = "paused"   // the pack or its source was paused for longer than the slot could wait
)

// Reasons lists every reason, in the order of their definition, for metrics
// that are made at start.
func Reasons() []Reason {
	return []Reason{
		Throttled, Unavailable, NotReady, LinkExpired, Damaged, Busy, SinkUnavailable, ClockSkew, Canceled,
		NotFound, Denied, Credentials, Request, LinkRefused, TooLarge, Conflict, SinkDenied, Newer, Internal,
		Deadline, Overlap, Missed, Paused,
	}
}

// Transient reports whether trying again later can help.
func (r Reason) Transient() bool {
	switch r {
	case Throttled, Unavailable, NotReady, LinkExpired, Damaged, Busy, SinkUnavailable, ClockSkew, Canceled:
		return true
	}
	return false
}

// Error is a classified failure. Its message is Err's; the hint is shown on
// a line of its own where a person reads it.
type Error struct {
	Reason     Reason
	Err        error
	Hint       string        // what to do about it, or empty
	RetryAfter time.Duration // not before this long from now, or 0 when nothing was said
}

// Error is the classified error's own message.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error that was classified.
func (e *Error) Unwrap() error { return e.Err }

// New makes a classified error from a format, as [fmt.Errorf] does.
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

// Of returns the outermost reason that err was given. A context's end is
// Canceled, or Deadline when its time ran out; anything unclassified is
// Internal. Of(nil) is the empty Reason.
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

// Transient reports whether err is of a kind that trying again can mend.
func Transient(err error) bool { return Of(err).Transient() }

// RetryAfter returns how long err asks to wait, or 0.
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
