package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"packseal.example/internal/fault"
	"packseal.example/internal/i18n"
)

// maxFaults is how many faults are shown: more than a person reads.
const maxFaults = 1000

// Fault is a problem and its place in the file.
type Fault struct {
	fault.Problem
	File   string
	Line   int // from 1; 0 when the problem has no place of its own
	Column int // from 1
}

// String is "file:line: path: message", and the hint on a line of its own.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(cmp.Or(f.File, "packseal"))
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	if f.Path != "" {
		b.WriteString(": " + f.Path)
	}
	if f.Warning {
		b.WriteString(": warning")
	}
	b.WriteString(": " + f.Message)
	if f.Hint != "" {
		b.WriteString("\n  hint: " + f.Hint)
	}
	return b.String()
}

// Error is everything that is wrong with a configuration file. At least one of
// its faults is not a warning.
type Error struct {
	Faults []Fault // file by file, in the order of each
	More   int     // faults left out
}

// faults returns how many are no warnings.
func (e *Error) faults() int {
	n := e.More
	for _, f := range e.Faults {
		if !f.Warning {
			n++
		}
	}
	return n
}

// Brief returns the first fault on one line, with the number of all if there are more,
// and its hint: what a log can hold.
func (e *Error) Brief() (message, hint string) {
	first := e.Faults[max(0, slices.IndexFunc(e.Faults, func(f Fault) bool { return !f.Warning }))]
	first.Hint, hint = "", first.Hint
	message = first.String()
	if n := e.faults(); n > 1 {
		message += fmt.Sprintf(" (the first of %d faults)", n)
	}
	return message, hint
}

// Error lists the faults and ends with their number.
func (e *Error) Error() string {
	var b strings.Builder
	faults := e.faults()
	for _, f := range e.Faults {
		b.WriteString(f.String() + "\n")
	}
	b.WriteString(i18n.Count(faults, "fault"))
	if warnings := len(e.Faults) + e.More - faults; warnings > 0 {
		b.WriteString(", " + i18n.Count(warnings, "warning"))
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "; %d not shown", e.More)
	}
	return b.String()
}

// First is the first fault, with the number of others, and what to do about it.
func (e *Error) First() (message, hint string) {
	faults := e.More
	for _, f := range e.Faults {
		if f.Warning {
			continue
		}
		if faults++; message == "" {
			hint, f.Hint = f.Hint, ""
			message = f.String()
		}
	}
	if faults > 1 {
		message += fmt.Sprintf(" (and %s more)", i18n.Count(faults-1, "fault"))
	}
	return message, hint
}

// newError sorts the faults and keeps the first ones.
func newError(faults []Fault) *Error {
	slices.SortStableFunc(faults, compareFaults)
	shown := min(len(faults), maxFaults)
	return &Error{Faults: faults[:shown], More: len(faults) - shown}
}

// compareFaults orders faults by their places, file by file.
func compareFaults(a, b Fault) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
}
