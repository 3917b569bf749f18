package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"packseal.example/control"
	"packseal.example/internal/table"
	"packseal.example/scheduler/queue"
	"packseal.example/scheduler/replica"
)

// queueTable prints what the daemon says for a person.
type queueTable struct {
	out     io.Writer
	now     time.Time
	table   *table.Writer
	members []replica.Member
	pauses  []queue.Pause
}

// print prints a line, or keeps it for later.
func (t *queueTable) print(l control.Line) error {
	if l.Pause != nil {
		t.pauses = append(t.pauses, *l.Pause)
		return nil
	}
	if err := t.printPauses(); err != nil {
		return err
	}
	switch {
	case l.Member != nil:
		t.members = append(t.members, *l.Member)
	case l.Slot != nil:
		return t.row(*l.Slot)
	case l.Total != nil:
		return t.end(*l.Total)
	}
	return nil
}

// printPauses prints the pauses that wait for what comes after them.
func (t *queueTable) printPauses() error {
	pauses := foldPauses(t.pauses)
	t.pauses = nil
	for _, p := range pauses {
		if _, err := fmt.Fprintf(t.out, "paused %s: %s by %s\n", ago(p.Pause, t.now), strings.TrimSuffix(p.name(), ",")+",", table.Plain(p.By+": "+p.Why)); err != nil {
			return err
		}
	}
	return nil
}

// row prints a slot.
func (t *queueTable) row(s queue.Listed) error {
	if t.table == nil {
		t.table = table.New(t.out, "STATE", "SLOT", "SINCE", "NEXT TRY", "TIME LEFT", "TRIES", "REPLICA", "TROUBLE")
	}
	since, next := s.Since, "-"
	if since.IsZero() {
		since = s.Published
	}
	if !s.NextTry.IsZero() {
		next = "in " + roughly(s.NextTry.Sub(t.now))
	}
	return t.table.Row(string(s.State), s.ID(), t.since(since)+" ago", next, roughly(s.Deadline.Sub(t.now)), strconv.Itoa(s.Delivered), cmp.Or(s.Member, "-"), s.Trouble)
}

// flush prints the rows that wait for their columns.
func (t *queueTable) flush() error {
	if err := t.printPauses(); err != nil || t.table == nil {
		return err
	}
	return t.table.Flush()
}

// end prints what there is to say of all.
func (t *queueTable) end(total control.Total) error {
	err := t.flush()
	var counts []string
	for _, s := range queue.States() {
		counts = append(counts, fmt.Sprint(total.States[s], " ", s))
	}
	line := strings.Join(counts, ", ")
	if total.More > 0 {
		line += fmt.Sprintf("; %d more with --all", total.More)
	}
	_, more := fmt.Fprintln(t.out, line)
	err = errors.Join(err, more)
	for _, m := range t.members {
		switch {
		case !m.Answers:
			_, more = fmt.Fprintf(t.out, "replica %s does not answer; it was last heard %s ago\n", m.Name, t.since(m.Heard))
		case len(t.members) > 1:
			_, more = fmt.Fprintf(t.out, "replica %s answers\n", m.Name)
		}
		err = errors.Join(err, more)
	}
	return err
}

// since is how long ago a time was.
func (t *queueTable) since(at time.Time) string { return roughly(t.now.Sub(at)) }

// roughly writes a duration as people say it: in two units at most.
func roughly(d time.Duration) string {
	switch {
	case d <= 0:
		return "0s"
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}
