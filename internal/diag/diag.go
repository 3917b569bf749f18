// Package diag defines the result of a live check: a line of packseal doctor.
// Each package that has something to check returns such results; doctor prints
// them.
package diag

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"packseal.example/internal/fault"
)

// State is the outcome of a check.
type State string

// The states.
const (
	Good    State = "good"
	Bad     State = "bad"
	Skipped State = "skipped" // not supported, or not checked; Detail says why
)

// Result is the result of one check. It never holds a link or a secret.
type Result struct {
	State  State
	Check  string // what was checked, in a word: "clock", "write-once", …
	Target string // what it belongs to: "source prod", "sink primary", …; the caller fills it in if empty
	Detail string // what was found
	Hint   string // what to do about it, or empty
	Reason fault.Reason
}

// OK returns a good result.
func OK(check, format string, args ...any) Result {
	return Result{State: Good, Check: check, Detail: fmt.Sprintf(format, args...)}
}

// Skip returns the result of a check that was not made; the detail says why.
func Skip(check, format string, args ...any) Result {
	return Result{State: Skipped, Check: check, Detail: fmt.Sprintf(format, args...)}
}

// Fail returns a bad result with the message, reason and hint of err.
func Fail(check string, err error) Result {
	return Result{State: Bad, Check: check, Detail: oneLine(err.Error()), Hint: fault.Hint(err), Reason: fault.Of(err)}
}

// WithHint sets the hint and returns r.
func (r Result) WithHint(format string, args ...any) Result {
	r.Hint = fmt.Sprintf(format, args...)
	return r
}

// At returns the result as that of a target.
func (r Result) At(target string) Result {
	r.Target = target
	return r
}

// Err returns a bad result as a classified error, and nil for other results.
func (r Result) Err() error {
	if r.State != Bad {
		return nil
	}
	return &fault.Error{Reason: r.Reason, Err: errors.New(r.Detail), Hint: r.Hint}
}

// Mark returns the state as the sign that people are shown.
func (r Result) Mark() string {
	switch r.State {
	case Good:
		return "✓"
	case Bad:
		return "✗"
	}
	return "–"
}

// MarshalJSON encodes r as {check, target, ok, detail, hint}, with the reason
// added if ok is false. In a skipped result ok is null.
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

// oneLine puts the message of joined errors on one line.
func oneLine(s string) string { return strings.Join(strings.Split(strings.TrimSpace(s), "\n"), "; ") }
