package notify

import (
	"encoding/json"
	"maps"
	"os"
	"time"
)

// told is what a channel has been told.
type told struct {
	Since    time.Time           `json:"since"`           // what was recorded before this is not news
	Digest   time.Time           `json:"digest"`          // until when the last digest reached
	Findings map[string]int      `json:"findings"`        // of the last verification that was told
	Packs    map[string]standing `json:"packs,omitempty"` // of packs that something was told of
}

// standing is what a channel knows of a pack.
type standing struct {
	Gaps map[string]time.Time `json:"gaps,omitempty"` // slot → when it was recorded, of the hour up to the latest record
	Open Kind                 `json:"open,omitempty"` // Gap or Overdue: not recovered from yet
	Due  time.Time            `json:"due,omitzero"`   // of the slot that it is open for
}

// order is how far apart two gaps of one pack may be recorded and still come
// in the wrong order: one write to a slow sink may take this long.
const order = time.Hour

// floor returns from when on a gap can be one that was not told.
func (t *told) floor(s standing) time.Time {
	floor := t.Since
	for _, recorded := range s.Gaps {
		if at := recorded.Add(-order); at.After(floor) {
			floor = at
		}
	}
	return floor
}

// news reports whether the channel does not know of the event yet.
func (t *told) news(e Event) bool {
	s := t.Packs[e.key()]
	switch e.Kind {
	case Gap:
		_, known := s.Gaps[e.slot()]
		return !known && !e.At.Before(t.floor(s))
	case Overdue:
		return s.Open != Overdue && e.Due.After(s.Due)
	case Recovered:
		return s.Open != "" && !e.Due.Before(s.Due)
	case Findings:
		return !maps.Equal(e.Counts, t.Findings)
	}
	return true
}

// note makes the event known.
func (t *told) note(e Event) {
	s := t.Packs[e.key()]
	switch e.Kind {
	case Gap:
		s.Gaps = maps.Clone(s.Gaps) // what was there may be shared with a copy
		if s.Gaps == nil {
			s.Gaps = make(map[string]time.Time)
		}
		s.Gaps[e.slot()] = e.At
		floor := t.floor(s)
		maps.DeleteFunc(s.Gaps, func(_ string, recorded time.Time) bool { return recorded.Before(floor) })
		if e.Due.Before(s.Due) {
			break // a later slot is open already
		}
		s.Open, s.Due = Gap, e.Due
	case Overdue:
		s.Open, s.Due = Overdue, e.Due
	case Recovered:
		s.Open = ""
	case Findings:
		t.Findings = e.Counts
		return
	default:
		return
	}
	if t.Packs == nil {
		t.Packs = make(map[string]standing)
	}
	t.Packs[e.key()] = s
}

// copy returns a told that can be changed by itself.
func (t told) copy() told {
	t.Packs = maps.Clone(t.Packs) // a standing's map is replaced, never changed
	return t
}

// readTold returns what the file holds, by channel. A file that is not there
// or that can't be read holds nothing.
func readTold(path string) (channels map[string]told) {
	if b, err := os.ReadFile(path); err == nil {
		json.Unmarshal(b, &channels) //nolint:errcheck // the file is disposable
	}
	return channels
}

// writeTold replaces the file.
func writeTold(path string, channels map[string]told) error {
	b, err := json.Marshal(channels)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".tmp", b, 0o640); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}
