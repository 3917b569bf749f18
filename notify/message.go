package notify

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode"
)

// Tone is how a message ought to look.
type Tone string

// The tones.
const (
	Bad   Tone = "bad"
	Good  Tone = "good"
	Plain Tone = "plain"
)

// Message is what goes out at once. Its texts are plain: no markup, no control
// characters. They hold names from the configuration and words of servers, so
// a channel that sends markup must see to it that they are none.
type Message struct {
	ID       string    `json:"id"` // follows from the content, so that who gets it twice can tell
	Time     time.Time `json:"time"`
	Instance string    `json:"instance"` // the host that tells
	Tone     Tone      `json:"tone"`
	Title    string    `json:"title"` // one line; it always has the word packseal
	Parts    []Part    `json:"-"`
	Foot     string    `json:"-"` // one line: who tells, and when

	Events  []Event `json:"events,omitempty"`  // what it is made of
	Dropped int     `json:"dropped,omitempty"` // events that were too many to keep
	Digest  *Digest `json:"digest,omitempty"`
	Test    bool    `json:"test,omitempty"`
}

// Part is a paragraph: a line and a list.
type Part struct {
	Head  string
	Lines []string

	more func(n int) string // says that n lines are left out
}

// maxLines is how many lines of a list anybody reads.
const maxLines = 40

// Text is the whole message as plain text.
func (m Message) Text() string {
	var b strings.Builder
	b.WriteString(m.Title + "\n")
	for _, p := range m.Parts {
		b.WriteString("\n")
		if p.Head != "" {
			b.WriteString(p.Head + "\n")
		}
		for _, line := range p.Lines {
			b.WriteString("- " + line + "\n")
		}
	}
	return b.String() + "\n" + m.Foot + "\n"
}

// Fit returns the message with as much in it as keeps it within limit by the
// measure of size, and says how much was left out: first lists are shortened,
// then parts go.
func (m Message) Fit(limit int, size func(Message) int) Message {
	if size(m) <= limit {
		return m
	}
	longest := 0
	for _, p := range m.Parts {
		longest = max(longest, len(p.Lines))
	}
	m = m.cut(sort.Search(longest, func(n int) bool { return size(m.cut(n+1)) > limit }))
	if size(m) <= limit {
		return m
	}
	return m.head(sort.Search(len(m.Parts), func(n int) bool { return size(m.head(n+1)) > limit }))
}

// head returns the message with its first n parts only.
func (m Message) head(n int) Message {
	m.Parts = append(slices.Clone(m.Parts[:n]), Part{Head: "…"})
	return m
}

// cut returns the message with at most n lines in each list.
func (m Message) cut(n int) Message {
	parts := slices.Clone(m.Parts)
	for i, p := range parts {
		if len(p.Lines) > n && p.more != nil {
			parts[i].Lines = append(slices.Clone(p.Lines[:n]), p.more(len(p.Lines)-n))
		}
	}
	m.Parts = parts
	return m
}

// Unmarked returns text that no channel's markup can take for anything but
// text: what has a meaning there is replaced by its full-width form, which a
// person reads as the same.
func Unmarked(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("<>[]*`@\\~#", r) {
			return r - '!' + '！'
		}
		return r
	}, text)
}

// clip returns text on one line, without control characters, of n runes at
// most.
func clip(text string, n int) string {
	text = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))), " ")
	if runes := []rune(text); len(runes) > n {
		return fmt.Sprintf("%s…", string(runes[:n-1]))
	}
	return text
}
