package queue

import (
	"fmt"
	"strings"
)

// A slot's message has the subject
//
//	packseal.slots.<source>.<pack>
//
// and there is at most one message a subject: one slot a pack.
const (
	streamName = "packseal"
	subjects   = "packseal.slots."
)

// subjectOf is where the pack's slot is kept.
func subjectOf(source, pack string) string { return subjects + token(source) + "." + token(pack) }

// token writes a name as one token of a subject, which may hold neither dots
// nor blanks nor wildcards: letters, digits, - and _ stand for themselves, any
// other byte is = and two hex digits. No two names share a token.
func token(name string) string {
	if name == "" {
		return "="
	}
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "=%02x", c)
		}
	}
	return b.String()
}
