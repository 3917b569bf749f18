package queue

import "maps"

// division is what stands on the board about the sources' bounds: the replicas
// that are there divide each of them among themselves, in whole places.
//
//	{"members": {"packseal-0.mb3fy7qa": {"beat": 7201, "places": {"prod": 22, "test": 1}}, …}}
//
// It is changed by compare-and-swap only. A member raises its own places while
// the sum over all of them stays within the bound, and lowers them when its
// work has come down; it changes nobody else's, but takes out who is gone.
// Nothing here changes the division that it is called on.
type division struct {
	Members map[string]stake `json:"members"`

	// Anew says that an earlier division was lost: some who hold places may
	// not stand here yet, so nobody takes more until they had the time.
	Anew bool `json:"anew,omitempty"`
}

// stake is one member's part.
type stake struct {
	Beat   uint64         `json:"beat"`   // another number each time: a sign of life
	Places map[string]int `json:"places"` // of each source that it works on, also none
}

// enter returns the division with me in it, who gives a sign of life and works
// on the sources of held, and without those who are gone. What a division that
// was made anew says of me is what I hold.
func (d division) enter(me string, beat uint64, held map[string]int, gone []string) division {
	next := division{Members: maps.Clone(d.Members), Anew: d.Anew}
	if next.Members == nil {
		next.Members = make(map[string]stake)
	}
	for _, name := range gone {
		delete(next.Members, name)
	}
	places := make(map[string]int, len(held))
	for source, n := range held {
		if !d.Anew {
			n = d.Members[me].Places[source]
		}
		places[source] = n
	}
	next.Members[me] = stake{beat, places}
	return next
}

// aim returns how many places of a source I should have, by the bound that I
// know: my fair part, and no more than others leave. What cannot be divided
// goes to the first in order. Who does not work on the source has no part.
func (d division) aim(me, source string, bound int) int {
	others, sharers, before := 0, 0, 0
	for name, m := range d.Members {
		n, shares := m.Places[source]
		if !shares {
			continue
		}
		sharers++
		if name < me {
			before++
		}
		if name != me {
			others += max(n, 0)
		}
	}
	fair := bound / sharers
	if before < bound%sharers {
		fair++
	}
	aim := min(fair, max(bound-others, 0))
	if d.Anew {
		aim = min(aim, d.Members[me].Places[source])
	}
	return aim
}

// without returns the division without me.
func (d division) without(me string) division {
	return division{Members: maps.Collect(func(yield func(string, stake) bool) {
		for name, m := range d.Members {
			if name != me && !yield(name, m) {
				return
			}
		}
	}), Anew: d.Anew}
}
