package secret

import (
	"regexp"
	"strings"
	"unicode"
)

// OneLine returns the printable characters of what a stranger says, at most limit
// bytes of them.
func OneLine(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
	return strings.ToValidUTF8(s[:min(len(s), limit)], "")
}

// Quote is OneLine without what may be a link, a key or a part of one, for an
// error that quotes a stranger.
func Quote(s string, limit int) string {
	s = signed.ReplaceAllStringFunc(OneLine(s, len(s)), func(match string) string {
		if header.MatchString(match) {
			return match
		}
		return "…"
	})
	return OneLine(s, limit)
}

// signed matches what may be a link or a key: a URL, a word of its query with
// its value, or a word as long as a key.
var signed = regexp.MustCompile(`(?i)(https?://\S+|[?&]?[\w-]*(signature|token|credential|accesskeyid)([\w-]*[=:]\s*\S+|\S*)|[A-Za-z0-9+/=_-]{20,})`)

// header matches the name of a store's header: as long as a key, and often what an
// error is about.
var header = regexp.MustCompile(`^(?i:x-(amz|oss|acs|goog|minio))(-[A-Za-z][a-z]{0,11}|-(sha|md|crc)[0-9a-z]{1,6})+$`)
