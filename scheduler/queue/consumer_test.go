package queue

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"packseal.example/scheduler"
)

// busy is a stream whose server has no time to answer at first.
type busy struct {
	jetstream.Stream
	left atomic.Int32 // answers that do not come
}

// CreateOrUpdateConsumer implements jetstream.Stream.
func (b *busy) CreateOrUpdateConsumer(ctx context.Context, c jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	if b.left.Add(-1) >= 0 {
		return nil, context.DeadlineExceeded
	}
	return b.Stream.CreateOrUpdateConsumer(ctx, c)
}

// TestBusyServer: a server that does not answer in time when its consumer is
// asked for, as with a thousand sources at the start, is asked again.
func TestBusyServer(t *testing.T) {
	t.Parallel()
	q, _ := open(t, t.TempDir())
	b := &busy{Stream: q.stream.handle}
	b.left.Store(2)
	q.stream.handle = b
	got := make(chan scheduler.Task, 1)
	work(t, q, 1, into(got))
	publish(t, q, task("cp-1", 0))
	receive(t, got)
	if n := b.left.Load(); n >= 0 {
		t.Errorf("%d answers were not waited for", n+1)
	}
}
