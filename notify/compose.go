package notify

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"packseal.example/internal/fault"
)

// style is how a channel's messages are written.
type style struct {
	words    []*words
	zone     *time.Location
	instance string
}

// news makes a message of events; dropped are those that there was no room
// for.
func (s style) news(events []Event, dropped int) Message {
	m := Message{Time: time.Now().UTC().Truncate(time.Second), Tone: Good, Events: events, Dropped: dropped}
	for _, e := range events {
		if e.Kind != Recovered && (e.Kind != Findings || len(e.Counts) > 0) {
			m.Tone = Bad
		}
	}
	return s.finish(m, func(w *words) (title string, parts []Part) {
		var counts []string
		for _, k := range Kinds() {
			of := slices.DeleteFunc(slices.Clone(events), func(e Event) bool { return e.Kind != k })
			if len(of) > 0 {
				packs, _ := byPack(of)
				counts = append(counts, w.counts(k, len(packs)))
				parts = append(parts, s.parts(w, k, of)...)
			}
		}
		if dropped > 0 {
			parts = append(parts, Part{Head: w.dropped(dropped)})
		}
		return strings.Join(counts, w.comma), parts
	})
}

// digest makes a message of a digest.
func (s style) digest(d Digest) Message {
	m := Message{Time: time.Now().UTC().Truncate(time.Second), Tone: Plain, Digest: &d}
	if len(d.Gaps)+len(d.Overdue)+len(d.Findings) > 0 {
		m.Tone = Bad
	}
	return s.finish(m, func(w *words) (string, []Part) {
		title, lines := w.digest(d, s.moment)
		parts := []Part{{Head: w.period(s.moment(d.From), s.moment(d.To)), Lines: lines}}
		parts = append(parts, s.parts(w, Gap, d.Gaps)...)
		parts = append(parts, s.parts(w, Overdue, d.Overdue)...)
		if len(d.Findings) > 0 {
			parts = append(parts, s.parts(w, Findings, []Event{{Counts: d.Findings}})...)
		}
		return title, parts
	})
}

// test makes a message that says that it is none.
func (s style) test(channel string) Message {
	m := Message{Time: time.Now().UTC().Truncate(time.Second), Tone: Plain, Test: true}
	return s.finish(m, func(w *words) (string, []Part) {
		title, text := w.test(channel)
		return title, []Part{{Head: text}}
	})
}

// finish writes the message in each language, one after the other.
func (s style) finish(m Message, write func(w *words) (title string, parts []Part)) Message {
	m.Instance = s.instance
	var titles []string
	for _, w := range s.words {
		title, parts := write(w)
		titles = append(titles, title)
		for i := range parts {
			parts[i].more = w.more
		}
		m.Parts = append(m.Parts, parts...)
	}
	first := s.words[0]
	m.Title = first.prefix + strings.Join(titles, " / ")
	m.Foot = first.foot(m.Instance, s.moment(m.Time), s.zone.String())
	m = m.cut(maxLines)
	m.ID = id(m)
	return m
}

// parts lists events of one kind: gaps by their reasons, the others in one
// list.
func (s style) parts(w *words, k Kind, events []Event) (parts []Part) {
	switch {
	case len(events) == 0:
		return nil
	case k == Gap:
		reasons, of := group(events, func(e Event) fault.Reason { return e.Reason })
		for _, r := range reasons {
			last := of[r][len(of[r])-1]
			lines := s.slots(w, of[r])
			if last.Detail != "" {
				lines = append(lines, w.detail(clip(last.Detail, 300)))
			}
			parts = append(parts, Part{Head: w.gap(w.reason(r)), Lines: lines})
		}
		return parts
	}
	last := events[len(events)-1]
	p := Part{Head: w.heads[k]}
	switch k {
	case ReloadFailed:
		for line := range strings.Lines(last.Detail) {
			p.Lines = append(p.Lines, clip(line, 300))
		}
	case Findings:
		if p.Lines = w.found(last.Counts); len(p.Lines) == 0 {
			p.Head = w.cleared
		}
	default:
		p.Lines = s.slots(w, events)
	}
	return []Part{p}
}

// slots lists events by their packs.
func (s style) slots(w *words, events []Event) (lines []string) {
	packs, of := byPack(events)
	for _, key := range packs {
		due := func(x, y Event) int { return x.Due.Compare(y.Due) }
		first, last := slices.MinFunc(of[key], due), slices.MaxFunc(of[key], due)
		name := clip(key, 160)
		if last.Name != "" {
			name = clip(last.Name, 80) + " (" + name + ")"
		}
		lines = append(lines, w.slots(name, len(of[key]), s.moment(first.Due), s.moment(last.Due)))
	}
	return lines
}

func byPack(events []Event) (packs []string, of map[string][]Event) {
	return group(events, Event.key)
}

// group sorts events into groups, which it names in the order of their first
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

// moment writes a time in the channel's zone, with seconds where it has any.
func (s style) moment(t time.Time) string {
	layout := "2006-01-02 15:04"
	if t.Second() != 0 {
		layout = "2006-01-02 15:04:05"
	}
	return t.In(s.zone).Format(layout)
}

// id names a message by what it says, and not by when that is said; a test is
// another one each time.
func id(m Message) string {
	said := []any{m.Instance, m.Title, m.Events, m.Dropped, m.Digest}
	if m.Test {
		said = append(said, time.Now())
	}
	b, _ := json.Marshal(said) // a message has nothing that JSON can't say
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// pulse makes a message of how packseal is.
func (s style) pulse(health error) Message {
	m := Message{Time: time.Now().UTC().Truncate(time.Second), Tone: Good}
	text := "works"
	if health != nil {
		m.Tone, text = Bad, clip(health.Error(), 1000)
	}
	return s.finish(m, func(*words) (string, []Part) { return text, nil })
}
