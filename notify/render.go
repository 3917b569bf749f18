package notify

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/internal/i18n"
)

// messages are the texts of notices in one language. Sentences with numbers are
// functions, because languages differ in more than words.
type messages struct {
	prefix string // of every title
	comma  string
	counts func(k Kind, packs int) string // in a title: how many packs had such events

	gap     func(reason string) string
	blocked func(reason string) string

	notListed func(reason string) string // head of sources that can't be listed
	until     func(at string) string
	todo      func(hint string) string
	reasons   map[fault.Reason]string
	heads     map[Kind]string
	cleared   string // head of problems that are gone
	problems  func(kind string, n int) string
	slots     func(pack string, n int, first, last string) string
	detail    func(text string) string
	more      func(n int) string
	dropped   func(n int) string
	foot      func(instance, at, zone string) string
	test      func(channel string) (title, text string)
	digest    func(d Digest, at func(time.Time) string) (title string, lines []string)
	period    func(from, to string) string

	overview, runbook string // texts of links
}

// reason returns what a reason means, in a sentence.
func (m *messages) reason(r fault.Reason) string {
	if text, ok := m.reasons[r]; ok {
		return text
	}
	return string(r)
}

// problemLines lists problems by kind.
func (m *messages) problemLines(counts map[string]int) (lines []string) {
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[kind]; n > 0 {
			lines = append(lines, m.problems(kind, n))
		}
	}
	return lines
}

// Languages returns what a channel's language may be.
func Languages() []string { return []string{"en", "zh", "both"} }

// messagesOf returns the messages of a channel's language, in the order in which
// they are written.
func messagesOf(language string) []*messages {
	switch language {
	case "zh":
		return []*messages{chinese()}
	case "both":
		return []*messages{english(), chinese()}
	}
	return []*messages{english()}
}

// renderer renders a channel's messages.
type renderer struct {
	languages []*messages
	zone      *time.Location // of the times that are of no pack
	own       bool           // a pack's times are in its own zone
	instance  string
	page      string // its address, or empty
}

func newRenderer(e Entry, instance string) renderer {
	return renderer{languages: messagesOf(e.Language), zone: cmp.Or(e.Zone, time.UTC), own: e.Zone == nil, instance: instance, page: e.Page}
}

// events renders events; dropped is how many are not among them.
func (r renderer) events(events []Event, dropped int) Message {
	m := newMessage(Good)
	m.Events, m.Dropped, m.Links = events, dropped, r.links(r.languages[0], events)
	for _, e := range events {
		if e.Kind != Recovered && e.Kind != Found && (e.Kind != Problems || len(e.Counts) > 0) {
			m.Tone = Bad
		}
	}
	return r.finish(m, func(text *messages) (title string, parts []Part) {
		var counts []string
		for _, k := range Kinds() {
			of := slices.DeleteFunc(slices.Clone(events), func(e Event) bool { return e.Kind != k })
			if len(of) > 0 {
				packs, _ := group(of, Event.pack)
				counts = append(counts, text.counts(k, len(packs)))
				parts = append(parts, r.parts(text, k, of)...)
			}
		}
		if dropped > 0 {
			parts = append(parts, Part{Head: text.dropped(dropped)})
		}
		return strings.Join(counts, text.comma), parts
	})
}

// digest renders a digest.
func (r renderer) digest(d Digest) Message {
	m := newMessage(Plain)
	m.Digest, m.Links = &d, r.links(r.languages[0], nil)
	if len(d.Gaps)+len(d.Overdue)+len(d.Problems) > 0 {
		m.Tone = Bad
	}
	return r.finish(m, func(text *messages) (string, []Part) {
		title, lines := text.digest(d, r.time)
		parts := []Part{{Head: text.period(r.time(d.From), r.time(d.To)), Lines: lines}}
		parts = append(parts, r.parts(text, Gap, d.Gaps)...)
		parts = append(parts, r.parts(text, Overdue, d.Overdue)...)
		if len(d.Problems) > 0 {
			parts = append(parts, r.parts(text, Problems, []Event{{Counts: d.Problems}})...)
		}
		return title, parts
	})
}

// test renders a message that says that it is a test.
func (r renderer) test(channel string) Message {
	m := newMessage(Plain)
	m.Test, m.Links = true, r.links(r.languages[0], nil)
	return r.finish(m, func(text *messages) (string, []Part) {
		title, body := text.test(channel)
		return title, []Part{{Head: body}}
	})
}

// heartbeat renders a message that packseal works, or why it does not.
func (r renderer) heartbeat(health error) Message {
	m, title := newMessage(Good), "OK"
	if health != nil {
		m.Tone, title = Bad, clip(health.Error(), 1000)
	}
	return r.finish(m, func(*messages) (string, []Part) { return title, nil })
}

func newMessage(t Tone) Message {
	return Message{Time: time.Now().UTC().Truncate(time.Second), Tone: t}
}

// finish writes the message's text in each language, one after the other.
func (r renderer) finish(m Message, write func(text *messages) (title string, parts []Part)) Message {
	m.Instance = r.instance
	var titles []string
	for _, text := range r.languages {
		title, parts := write(text)
		titles = append(titles, title)
		for i := range parts {
			parts[i].more = text.more
		}
		m.Parts = append(m.Parts, parts...)
	}
	first := r.languages[0]
	m.Title = first.prefix + strings.Join(titles, " / ")
	m.Foot = first.foot(m.Instance, r.time(m.Time), r.zone.String())
	m = m.cut(maxLines)
	m.ID = messageID(m)
	return m
}

// parts lists events of one kind: gaps by reason, the others in one list.
func (r renderer) parts(text *messages, k Kind, events []Event) (parts []Part) {
	switch {
	case len(events) == 0:
		return nil
	case k == Gap:
		reasons, of := group(events, func(e Event) fault.Reason { return e.Reason })
		for _, reason := range reasons {
			parts = append(parts, r.failed(text, text.gap(text.reason(reason)), of[reason]))
		}
		return parts
	case k == Blocked || k == NotListed:
		head := text.blocked
		cause := Event.cause
		if k == NotListed {
			head, cause = text.notListed, Event.reasonAlone
		}
		causes, of := group(events, cause)
		for _, c := range causes {
			parts = append(parts, r.failed(text, head(text.reason(of[c][0].Reason)), of[c]))
		}
		return parts
	}
	last := events[len(events)-1]
	p := Part{Head: text.heads[k]}
	switch k {
	case ReloadFailed:
		for line := range strings.Lines(last.Detail) {
			p.Lines = append(p.Lines, clip(line, 300))
		}
	case Problems:
		if p.Lines = text.problemLines(last.Counts); len(p.Lines) == 0 {
			p.Head = text.cleared
		}
	default:
		if p.Lines = r.slots(text, events); last.Detail != "" {
			p.Lines = append(p.Lines, text.detail(clip(last.Detail, 300)))
		}
	}
	return []Part{p}
}

// failed lists slots that failed alike, with the last of their errors and what to
// do.
func (r renderer) failed(text *messages, head string, events []Event) Part {
	last := events[len(events)-1]
	lines := r.slots(text, events)
	if !last.Until.IsZero() {
		lines = append(lines, text.until(r.at(last.Until, last)))
	}
	if last.Detail != "" {
		lines = append(lines, text.detail(clip(last.Detail, 300)))
	}
	if last.Hint != "" {
		lines = append(lines, text.todo(clip(last.Hint, 300)))
	}
	return Part{Head: head, Lines: lines}
}

// slots lists events by pack.
func (r renderer) slots(text *messages, events []Event) (lines []string) {
	packs, of := group(events, Event.pack)
	for _, key := range packs {
		due := func(x, y Event) int { return x.Due.Compare(y.Due) }
		first, last := slices.MinFunc(of[key], due), slices.MaxFunc(of[key], due)
		name := clip(key, 160)
		if last.Name != "" {
			name = clip(last.Name, 80) + " (" + name + ")"
		}
		if last.Due.IsZero() { // it is of no slot
			lines = append(lines, name)
			continue
		}
		lines = append(lines, text.slots(name, len(of[key]), r.at(first.Due, first), r.at(last.Due, last)))
	}
	return lines
}

// group groups events by a key, and returns the keys in the order of their first
// events.
func group[K cmp.Ordered](events []Event, by func(Event) K) (order []K, of map[K][]Event) {
	of = make(map[K][]Event)
	for _, e := range events {
		k := by(e)
		if of[k] == nil {
			order = append(order, k)
		}
		of[k] = append(of[k], e)
	}
	return order, of
}

// at formats a time of the event's pack: in the channel's zone or, if it has none, in
// the pack's with UTC beside it.
func (r renderer) at(t time.Time, e Event) string {
	if !r.own {
		return r.time(t)
	}
	return LocalTime(t, e.Zone)
}

// LocalTime formats a time in a zone, with UTC beside it. An unknown zone is UTC.
func LocalTime(t time.Time, name string) string {
	zone, err := time.LoadLocation(name) // "" is UTC
	utc := i18n.Time(t, time.UTC) + " UTC"
	if err != nil || zone == time.UTC {
		return utc
	}
	local := i18n.Time(t, zone) + " " + name
	if day := len(time.DateOnly); local[:day] == utc[:day] {
		utc = utc[day+1:]
	}
	return local + " (" + utc + ")"
}

// time formats a time in the channel's zone.
func (r renderer) time(t time.Time) string { return i18n.Time(t, r.zone) }

// messageID identifies a message by what it says, not by when it is said. A test
// has a new one each time.
func messageID(m Message) string {
	content := []any{m.Instance, m.Title, m.Events, m.Dropped, m.Digest}
	if m.Test {
		content = append(content, time.Now())
	}
	b, _ := json.Marshal(content) // cannot fail for these types
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
