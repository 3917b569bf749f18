package notify

import (
	"maps"
	"slices"
	"time"

	"packseal.example/internal/fault"
)

// words are what notices say in one language. Sentences that depend on
// numbers are functions, because languages differ in more than words.
type words struct {
	prefix string // of every title
	comma  string
	counts func(k Kind, packs int) string // of a title: how many packs met that

	gap      func(reason string) string
	reasons  map[fault.Reason]string
	heads    map[Kind]string
	cleared  string // head of findings that are no more
	findings func(kind string, n int) string
	slots    func(pack string, n int, first, last string) string
	detail   func(text string) string
	more     func(n int) string
	dropped  func(n int) string
	foot     func(instance, at, zone string) string
	test     func(channel string) (title, text string)
	digest   func(d Digest, at func(time.Time) string) (title string, lines []string)
	period   func(from, to string) string
}

// reason says in a sentence what a reason means.
func (w *words) reason(r fault.Reason) string {
	if text, ok := w.reasons[r]; ok {
		return text
	}
	return string(r)
}

// Languages lists what a channel's language may be.
func Languages() []string { return []string{"en", "zh", "both"} }

// wordsOf returns the words of a channel's language, in the order they are
// said.
func wordsOf(language string) []*words {
	switch language {
	case "zh":
		return []*words{chinese()}
	case "both":
		return []*words{english(), chinese()}
	}
	return []*words{english()}
}

// found lists findings by kind.
func (w *words) found(counts map[string]int) (lines []string) {
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[kind]; n > 0 {
			lines = append(lines, w.findings(kind, n))
		}
	}
	return lines
}
