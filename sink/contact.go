package sink

import (
	"context"
	"time"
)

// Contact is how a sink has answered.
type Contact struct {
	Reached time.Time // when it last did; zero = not yet
	Down    time.Time // since when it can't be used; zero = it can, or was not asked yet
	Err     error     // with Down: the last error
}

// contact is a Contact with the operations whose last try failed, by name.
type contact struct {
	Contact
	failing map[string]failure
}

// failure is of which key or prefix an operation failed, and when.
type failure struct {
	key string
	at  time.Time
}

// putForgotten is how long after a failed Put nobody tries it again: who wants
// the object stored does within 5 minutes.
const putForgotten = 10 * time.Minute

// Contact returns how a sink has answered so far.
func (m *Metrics) Contact(name string) Contact {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.of(name).Contact
}

// of returns the contact with a sink. The caller holds mu.
func (m *Metrics) of(name string) *contact {
	c := m.contacts[name]
	if c == nil {
		c = &contact{failing: make(map[string]failure)}
		m.contacts[name] = c
	}
	return c
}

// answered records that a sink answered an operation. It is up when none of its
// operations fails: a storage that can be read may still refuse writes.
func (m *Metrics) answered(name, op string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.of(name)
	c.Reached = time.Now()
	delete(c.failing, op)
	if f, ok := c.failing[opPut]; ok && c.Reached.Sub(f.at) >= putForgotten {
		delete(c.failing, opPut)
	}
	if len(c.failing) == 0 {
		c.Down, c.Err = time.Time{}, nil
		m.up.WithLabelValues(name).Set(1)
	}
}

// failed records that a sink did not answer an operation on key, or refused it.
func (m *Metrics) failed(name, op, key string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.of(name)
	now := time.Now()
	if c.failing[op] = (failure{key, now}); c.Down.IsZero() {
		c.Down = now
	}
	c.Err = err
	m.up.WithLabelValues(name).Set(0)
}

// Recheck asks a sink again for what it last failed to give, so that a sink that
// nobody needs at the moment is not taken for one that is down. It does nothing
// for a sink that is up. The answers are recorded by [Measured], which s is made of.
func (m *Metrics) Recheck(ctx context.Context, name string, s Sink) {
	m.mu.Lock()
	failing := m.of(name).failing
	open, opens := failing[opOpen]
	list, lists := failing[opList]
	if !lists { // a failed Put is not repeated: its owner does, or nobody
		list, lists = failing[opPut]
	}
	m.mu.Unlock()
	if opens {
		if rc, err := s.Open(ctx, open.key); err == nil {
			_ = rc.Close()
		}
	}
	if lists {
		for range s.List(ctx, list.key, "") {
			break
		}
	}
}
