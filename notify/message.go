package notify

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode"
)

// Tone is how a message should look.
type Tone string

// The tones.
const (
	Bad   Tone = "bad"
	Good  Tone = "good"
	Plain Tone = "plain"
)

// Message is one message. Its texts are plain: no markup, no control characters.
// They contain names from the configuration and errors of servers, so a channel
// that sends markup must escape them, see [Unmarked].
type Message struct {
	ID       string    `json:"id"` // follows from the content, so that a receiver recognizes repetitions
	Time     time.Time `json:"time"`
	Instance string    `json:"instance"` // the sending host
	Tone     Tone      `json:"tone"`
	Title    string    `json:"title"` // one line; it always contains the word packseal
	Parts    []Part    `json:"-"`
	Links    []Link    `json:"links,omitempty"`
	Foot     string    `json:"-"` // one line: the host and the time

	Events  []Event `json:"events,omitempty"`  // what it reports
	Dropped int     `json:"dropped,omitempty"` // events that are not listed, because there were too many
	Digest  *Digest `json:"digest,omitempty"`
	Test    bool    `json:"test,omitempty"`
}

// Part is a paragraph: a line and a list.
type Part struct {
	Head  string
	Lines []string

	more func(n int) string // says that n lines are omitted
}

// Link leads from a message to a page. Its text is plain, as all texts are, and its
// URL absolute.
type Link struct {
	Text string `json:"text"`
	URL  string `json:"url"`
}

// maxLines is the most lines of a list: nobody reads more.
const maxLines = 40

// Text is the whole message as plain text.
func (m Message) Text() string { return m.Title + "\n" + m.Body() }

// Body is the message without its title, as plain text.
func (m Message) Body() string {
	var b strings.Builder
	for _, p := range m.Parts {
		b.WriteString("\n")
		if p.Head != "" {
			b.WriteString(p.Head + "\n")
		}
		for _, line := range p.Lines {
			b.WriteString("- " + line + "\n")
		}
	}
	b.WriteString("\n")
	for _, l := range m.Links {
		b.WriteString(l.Text + ": " + l.URL + "\n")
	}
	return b.String() + m.Foot + "\n"
}

// Fit shortens the message as much as it takes for size to be within limit: first
// lists are cut, then parts are dropped. The message says how much is missing.
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

// head returns the message with only its first n parts.
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

// Unmarked returns text that has no meaning as markup in any channel: special
// characters are replaced by their full-width forms, which read the same.
func Unmarked(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("<>[]*`@\\~#", r) {
			return r - '!' + '！'
		}
		return r
	}, text)
}

// MarkdownLink returns a link in Markdown, for channels that have no other form of
// markup.
func MarkdownLink(l Link) string { return "[" + Unmarked(l.Text) + "](" + l.URL + ")" }

// clip returns text on one line, without control characters, of at most n runes.
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
