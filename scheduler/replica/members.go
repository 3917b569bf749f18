package replica

import (
	"maps"
	"sync"
	"time"
)

// Member is a replica, as the one that was asked sees it.
type Member struct {
	Name    string    `json:"member"`
	Self    bool      `json:"self,omitempty"` // the one that was asked
	Answers bool      `json:"answers"`
	Heard   time.Time `json:"heard,omitzero"` // when it was heard last; only of one that does not answer
}

// forgetAfter is after how long a replica that is gone is not spoken of any more.
const forgetAfter = 24 * time.Hour

// members detects which replicas are live, by their heartbeats.
//
// Its own heartbeats come back to it as well, and only while they do can the
// silence of others say anything about them. So nobody is judged while this
// replica is cut off or suspended, and nobody right after.
type members struct {
	self      string
	failAfter time.Duration

	mu      sync.Mutex
	live    map[string]time.Time // when each was heard last, self included
	gone    map[string]time.Time // likewise
	changed chan struct{}        // closed when live has another size
}

func newMembers(self string, failAfter time.Duration) *members {
	return &members{
		self: self, failAfter: failAfter,
		live: map[string]time.Time{self: time.Now()}, gone: make(map[string]time.Time), changed: make(chan struct{}),
	}
}

// heard takes in a heartbeat, and reports whether it is of a replica that was
// not live.
func (m *members) heard(name string, now time.Time) (joined bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := len(m.live)
	if name == m.self {
		m.judge(now)
	}
	_, was := m.live[name]
	m.live[name] = now
	delete(m.gone, name)
	m.announce(before)
	return !was
}

// judge moves the replicas that are silent from live to gone.
func (m *members) judge(now time.Time) {
	deaf := now.Sub(m.live[m.self]) > m.failAfter
	for name, at := range m.live {
		switch {
		case deaf:
			m.live[name] = now
		case now.Sub(at) > m.failAfter:
			delete(m.live, name)
			m.gone[name] = at
		}
	}
	maps.DeleteFunc(m.gone, func(_ string, at time.Time) bool { return now.Sub(at) > forgetAfter })
}

// left takes in that a replica has ended.
func (m *members) left(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := len(m.live)
	if at, ok := m.live[name]; ok && name != m.self {
		delete(m.live, name)
		m.gone[name] = at
	}
	m.announce(before)
}

func (m *members) announce(before int) {
	if len(m.live) != before {
		close(m.changed)
		m.changed = make(chan struct{})
	}
}

func (m *members) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.live)
}

func (m *members) watch() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// others returns the other replicas, and when each was heard last.
func (m *members) others() (live, gone map[string]time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	live, gone = maps.Clone(m.live), maps.Clone(m.gone)
	delete(live, m.self)
	return live, gone
}
