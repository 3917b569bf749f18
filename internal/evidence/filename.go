package evidence

import (
	"cmp"
	"strings"
	"time"
	"unicode"
)

// maxTitle bounds a pack's name in file names, in bytes: file systems take 255 for
// the whole, date, key and extension included.
const maxTitle = 120

// FileName returns a name for people for a file of the pack's slot, such as
//
//	2026-03-31 MLPS level 3 (cp-fdc8626622af00f90000).xls
//
// with the slot's day in the pack's zone. It is fit for any file system. The layout
// of the day is [time.DateOnly], or one with the time of day, without colons, where
// a day has several slots.
func (p Pack) FileName(due time.Time, layout, ext string) string {
	key := strings.ReplaceAll(p.Key(), "/", " ")
	name := due.In(p.Location()).Format(layout) + " "
	if title := fileTitle(p.Name); title != "" {
		name += title + " (" + key + ")"
	} else {
		name += key
	}
	return name + "." + ext
}

// Location returns the pack's zone; UTC if it has none that this machine knows.
func (p Pack) Location() *time.Location {
	zone, err := time.LoadLocation(p.Zone)
	if err != nil {
		return time.UTC
	}
	return cmp.Or(zone, time.UTC)
}

// fileTitle returns a name as a part of file names: in one line, and without what
// some file system refuses or what has a meaning for a shell or a header.
func fileTitle(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`/\:*?"<>|;%`, r):
			return '_'
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar:
			return ' '
		}
		return r
	}, strings.ToValidUTF8(name, " "))
	name = strings.Join(strings.Fields(name), " ")
	for len(name) > maxTitle {
		runes := []rune(name)
		name = strings.TrimSpace(string(runes[:len(runes)-1]))
	}
	return strings.Trim(name, ". ")
}
