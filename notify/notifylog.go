package notify

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"time"

	"packseal.example/internal/atomicfile"
)

// channelLog is what a channel has been sent.
type channelLog struct {
	Since    time.Time          `json:"since"`           // what was recorded before this is not sent
	Digest   time.Time          `json:"digest"`          // the end of the last digest's period
	Problems map[string]int     `json:"findings"`        // of the last verification that was sent
	Packs    map[string]packLog `json:"packs,omitempty"` // of the packs that something was sent about
}

// packLog is what a channel has been sent about a pack.
type packLog struct {
	Gaps map[string]time.Time `json:"gaps,omitempty"` // slot → when it was recorded, for the hour before the latest record
	Open Kind                 `json:"open,omitempty"` // Gap or Overdue, until the pack recovers
	Due  time.Time            `json:"due,omitzero"`   // of the slot that it is open for

	Blocked    string    `json:"blocked,omitempty"`    // what blocks a slot, until the pack recovers; see Event.cause
	BlockedDue time.Time `json:"blocked_due,omitzero"` // of that slot
}

// remindAfter is after how long a cause that still blocks slots is sent again.
const remindAfter = 7 * 24 * time.Hour

// maxReordering is how far apart two gaps of a pack may be recorded and still
// arrive in the wrong order: one write to a slow sink may take this long.
const maxReordering = time.Hour

// cutoff returns the time before which gaps of the pack were recorded that the
// channel has been sent or need not be sent.
func (l *channelLog) cutoff(p packLog) time.Time {
	cutoff := l.Since
	for _, recorded := range p.Gaps {
		if t := recorded.Add(-maxReordering); t.After(cutoff) {
			cutoff = t
		}
	}
	return cutoff
}

// isNew reports whether the event is still to be sent.
func (l *channelLog) isNew(e Event) bool {
	p := l.Packs[e.pack()]
	switch e.Kind {
	case Gap:
		_, known := p.Gaps[e.slot()]
		return !known && !e.At.Before(l.cutoff(p))
	case Blocked:
		return !l.blocked(e)
	case Overdue:
		return p.Open != Overdue && e.Due.After(p.Due)
	case Recovered:
		return p.Open != "" && !e.Due.Before(p.Due) || p.Blocked != "" && !e.Due.Before(p.BlockedDue)
	case Problems:
		return !maps.Equal(e.Counts, l.Problems)
	}
	return true
}

// blocked reports whether the channel has been sent the event's cause, for
// whatever pack.
func (l *channelLog) blocked(e Event) bool {
	cause := e.cause()
	for _, p := range l.Packs {
		if p.Blocked == cause && e.Due.Sub(p.BlockedDue) < remindAfter {
			return true
		}
	}
	return false
}

// record adds an event that was sent.
func (l *channelLog) record(e Event) {
	p := l.Packs[e.pack()]
	switch e.Kind {
	case Gap:
		p.Gaps = maps.Clone(p.Gaps) // a clone of the log may share it
		if p.Gaps == nil {
			p.Gaps = make(map[string]time.Time)
		}
		p.Gaps[e.slot()] = e.At
		cutoff := l.cutoff(p)
		maps.DeleteFunc(p.Gaps, func(_ string, recorded time.Time) bool { return recorded.Before(cutoff) })
		if e.Due.Before(p.Due) {
			break // it is open for a later slot already
		}
		p.Open, p.Due = Gap, e.Due
	case Overdue:
		p.Open, p.Due = Overdue, e.Due
	case Blocked:
		p.Blocked, p.BlockedDue = e.cause(), e.Due
	case Recovered:
		if !e.Due.Before(p.Due) {
			p.Open = ""
		}
		if !e.Due.Before(p.BlockedDue) {
			p.Blocked, p.BlockedDue = "", time.Time{}
		}
	case Problems:
		l.Problems = e.Counts
		return
	default:
		return
	}
	if l.Packs == nil {
		l.Packs = make(map[string]packLog)
	}
	l.Packs[e.pack()] = p
}

// clone returns a log that can be changed by itself.
func (l channelLog) clone() channelLog {
	l.Packs = maps.Clone(l.Packs) // a packLog's map is replaced, never changed
	return l
}

// readLogs reads the file, by channel. A file that does not exist is empty, and so
// is one that cannot be read, with an error.
func readLogs(path string) (channels map[string]channelLog, err error) {
	b, err := os.ReadFile(path)
	if path == "" || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &channels)
	}
	if err != nil {
		return nil, err
	}
	return channels, nil
}

// writeLogs replaces the file.
func writeLogs(path string, channels map[string]channelLog) error {
	b, err := json.Marshal(channels)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, b, 0o640)
}
