// Package table prints rows in columns that are aligned by how wide text is on a
// terminal: a Chinese character takes two cells, a combining mark none.
package table

import (
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// gap is between two columns.
const gap = 2

// batch is after how many rows columns are set anew, so that a long table is
// printed as it comes.
const batch = 500

// Writer prints a table. Make one with [New].
type Writer struct {
	out  io.Writer
	rows [][]string // that wait for the columns to be set
	head bool       // is printed
}

// New makes a table with these column heads, which are printed also if no row
// follows.
func New(out io.Writer, head ...string) *Writer { return &Writer{out: out, rows: [][]string{head}} }

// Head adds the head of one more column, unless the heads are printed already.
func (t *Writer) Head(name string) {
	if !t.head {
		t.rows[0] = append(t.rows[0], name)
	}
}

// Row adds a row. Characters that a terminal would not just show become spaces.
func (t *Writer) Row(cells ...string) error {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = Plain(c)
	}
	if t.rows = append(t.rows, row); len(t.rows) < batch {
		return nil
	}
	return t.Flush()
}

// Flush prints the rows that wait.
func (t *Writer) Flush() error {
	var widths []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], Width(c))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		line := ""
		for i, c := range row {
			line += c + strings.Repeat(" ", widths[i]-Width(c)+gap)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	t.rows, t.head = nil, true
	_, err := io.WriteString(t.out, b.String())
	return err
}

// Plain replaces what a terminal would not just show by spaces.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

// Width is how many cells of a terminal text takes.
func Width(s string) (cells int) {
	for _, r := range s {
		switch kind := width.LookupRune(r).Kind(); {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			cells += 2
		default:
			cells++
		}
	}
	return cells
}
