package replica

import (
	"fmt"
	"net/url"
	"strings"
)

// Token writes a name as one token of a subject or a key, which may hold neither
// dots nor blanks nor wildcards: letters, digits, - and _ stand for themselves,
// any other byte is = and two hex digits. No two names share a token.
func Token(name string) string {
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

// ParseToken returns the name, which is not empty, that a token stands for.
func ParseToken(token string) (name string, ok bool) {
	name, err := url.PathUnescape(strings.ReplaceAll(token, "=", "%"))
	return name, err == nil
}
