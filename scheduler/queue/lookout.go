package queue

import "time"

// lookout remembers when each member's last sign of life was seen, by the
// clock of who looks: no two clocks are ever compared.
type lookout struct {
	pace
	seen   map[string]sighting
	looked time.Time
	anew   time.Time // when the division was first seen to be made anew; zero = it is not
}

// sighting is a sign of life and when it was new.
type sighting struct {
	beat uint64
	at   time.Time
}

// look takes in a division and returns who has given no sign of life for long.
// Who could not look himself for a while judges nobody for that while: what
// kept him from it may have kept others from theirs.
func (l *lookout) look(d division, now time.Time) (gone []string) {
	blind := now.Sub(l.looked) > l.fence/2
	l.looked = now
	seen := make(map[string]sighting, len(d.Members))
	for name, m := range d.Members {
		s, known := l.seen[name]
		if !known || blind || s.beat != m.Beat {
			s = sighting{m.Beat, now}
		}
		seen[name] = s
		if now.Sub(s.at) >= l.dead {
			gone = append(gone, name)
		}
	}
	l.seen = seen
	switch {
	case !d.Anew:
		l.anew = time.Time{}
	case l.anew.IsZero() || blind:
		l.anew = now
	}
	return gone
}

// settled reports whether whoever held places before the division was lost
// stands in it again, or has given them up.
func (l *lookout) settled(now time.Time) bool {
	return !l.anew.IsZero() && now.Sub(l.anew) >= l.dead
}
