package queue

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
)

// Announce tells the other replicas something, in a few hundred bytes. Who is
// not there does not hear it. Alone, it does nothing.
func (q *JetStream) Announce(data []byte) {
	if !q.engine.spread {
		return
	}
	if err := q.engine.conn.Publish(q.engine.prefix.news(), data); err != nil {
		q.log.Debug("other replicas were not told", "err", err)
	}
}

// Hear calls f for each thing that a replica announces, this one's own too, one
// after the other, until stop.
func (q *JetStream) Hear(f func(data []byte)) (stop func(), err error) {
	sub, err := q.engine.conn.Subscribe(q.engine.prefix.news(), func(m *nats.Msg) { f(m.Data) })
	if err != nil {
		return nil, fmt.Errorf("listening to other replicas: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil
}

// Pending returns which packs the queue holds a slot of.
func (q *JetStream) Pending(ctx context.Context) (holds func(source, pack string) bool, err error) {
	kept, err := q.engine.kept(ctx, "")
	return func(source, pack string) bool { return kept[q.engine.prefix.subject(source, pack)] > 0 }, err
}
