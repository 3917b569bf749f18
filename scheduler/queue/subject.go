package queue

import (
	"fmt"
	"strings"
)

// prefix is the stream's name, and what its subjects begin with. A slot's
// message has the subject
//
//	<prefix>.slots.<source>.<pack>
//
// and there is at most one message a subject: one slot a pack.
type prefix string

const defaultPrefix = "packseal"

// stream is the stream's name.
func (p prefix) stream() string { return string(p) }

// board is the bucket's name.
func (p prefix) board() string { return string(p) + "_board" }

// news is the subject on which replicas tell one another things.
func (p prefix) news() string { return string(p) + ".news" }

// subjects is what the subjects of all slots begin with.
func (p prefix) subjects() string { return string(p) + ".slots." }

// subject is where the pack's slot is kept.
func (p prefix) subject(source, pack string) string {
	return p.subjects() + token(source) + "." + token(pack)
}

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
