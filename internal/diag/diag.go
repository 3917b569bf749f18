// Package diag says what came of looking at one thing live: a line of
// packseal doctor. What is looked at, and how, is known where it belongs; this
// is the one shape in which all of it is told.
package diag

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"packseal.example/internal/fault"
)

// State is what came of it.
type State string

// The states.
const (
	Good    State = "good"
	Bad     State = "bad"
	Skipped State = "skipped" // not to be had here, or not looked at; Detail says why
)

// Result is one line. It never holds a link or a secret.
type Result struct {
	State  State
	Check  string // what was looked at, in a word: "clock", "write-once", …
	Target string // of what: "source prod", "sink primary", …; empty means: of what the caller knows
	Detail string // what was seen
	Hint   string // what to do about it, or empty
	Reason fault.Reason
}

// OK is for what is as it should be.
func OK(check, format string, args ...any) Result {
	return Result{State: Good, Check: check, Detail: fmt.Sprintf(format, args...)}
}

// Skip is for what was not looked at, and why.
func Skip(check, format string, args ...any) Result {
	return Result{State: Skipped, Check: check, Detail: fmt.Sprintf(format, args...)}
}

// Fail is for what is not as it should be; err is classified, and says it.
func Fail(check string, err error) Result {
	return Result{State: Bad, Check: check, Detail: oneLine(err.Error()), Hint: fault.Hint(err), Reason: fault.Of(err)}
}

// WithHint sets the hint and returns r.
func (r Result) WithHint(format string, args ...any) Result {
	r.Hint = fmt.Sprintf(format, args...)
	return r
}

// Err is the classified error that a bad result stands for, and nil for others.
func (r Result) Err() error {
	if r.State != Bad {
		return nil
	}
	return &fault.Error{Reason: r.Reason, Err: errors.New(r.Detail), Hint: r.Hint}
}

// Mark is the state as people read it.
func (r Result) Mark() string {
	switch r.State {
	case Good:
		return "✓"
	case Bad:
		return "✗"
	}
	return "–"
}

// MarshalJSON writes {check, target, ok, detail, hint}, and the reason where
// ok is false. It is null for what was not looked at.
func (r Result) MarshalJSON() ([]byte, error) {
	var ok *bool
	if r.State != Skipped {
		ok = new(r.State == Good)
	}
	return json.Marshal(struct {
		Check  string       `json:"check"`
		Target string       `json:"target"`
		OK     *bool        `json:"ok"`
		Detail string       `json:"detail"`
		Hint   string       `json:"hint"`
		Reason fault.Reason `json:"reason,omitempty"`
	}{r.Check, r.Target, ok, r.Detail, r.Hint, r.Reason})
}

// oneLine is for messages of errors that were joined.
func oneLine(s string) string { return strings.Join(strings.Split(strings.TrimSpace(s), "\n"), "; ") }
