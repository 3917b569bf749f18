package replica

import (
	"fmt"

	"github.com/nats-io/nats.go"
)

// Broadcast sends messages to all replicas. Nothing is stored: a replica that
// is not there at that moment never gets it.
type Broadcast struct {
	group   *Group
	subject string
}

// Broadcast returns the broadcast of that name.
func (g *Group) Broadcast(name string) *Broadcast { return &Broadcast{g, g.subject(name)} }

// Publish sends some hundred bytes to the other replicas. Alone, it does nothing.
func (b *Broadcast) Publish(data []byte) {
	if b.group.o.Alone {
		return
	}
	if err := b.group.o.Conn.Publish(b.subject, data); err != nil {
		b.group.o.Logger.Debug("broadcast not sent", "subject", b.subject, "err", err)
	}
}

// Subscribe calls f for each message, one after the other, until stop. This
// replica's own messages are among them.
func (b *Broadcast) Subscribe(f func(data []byte)) (stop func(), err error) {
	if b.group.o.Alone {
		return func() {}, nil
	}
	sub, err := b.group.o.Conn.Subscribe(b.subject, func(m *nats.Msg) { f(m.Data) })
	if err != nil {
		return nil, fmt.Errorf("subscribing to other replicas: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil
}
