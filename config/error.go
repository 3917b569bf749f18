package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"packseal.example/internal/fault"
)

// maxFaults is how many faults are looked for and shown: enough for a person,
// and a bound for a file that is nothing but faults.
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
	b.WriteString(f.File)
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

// Error is everything that is wrong with a configuration file. At least one
// of its faults is not a warning.
type Error struct {
	Faults []Fault // in the order of the file
	More   int     // faults left out
}

// Error lists the faults, and ends with how many there are.
func (e *Error) Error() string {
	var b strings.Builder
	faults := e.More
	for _, f := range e.Faults {
		if !f.Warning {
			faults++
		}
		b.WriteString(f.String() + "\n")
	}
	b.WriteString(count(faults, "fault"))
	if warnings := len(e.Faults) + e.More - faults; warnings > 0 {
		b.WriteString(", " + count(warnings, "warning"))
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "; %d not shown", e.More)
	}
	return b.String()
}

// newError sorts the faults by place and keeps as many as a person may read.
func newError(faults []Fault) *Error {
	sortFaults(faults)
	shown := min(len(faults), maxFaults)
	return &Error{Faults: faults[:shown], More: len(faults) - shown}
}

// sortFaults puts faults in the order of the file.
func sortFaults(faults []Fault) {
	slices.SortStableFunc(faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
