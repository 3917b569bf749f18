package queue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/internal/flock"
	"packseal.example/scheduler/replica"
)

// JetStream is the queue, open. It is opened once per process: sources, limits
// and packs may change while it is open. Its folder holds
//
//	lock               locked as long as the queue is open
//	member             a random word, which this replica's name ends in
//	jetstream/         the store of a server in this process
//	jetstream.damaged/ the latest store that could not be opened, for inspection
type JetStream struct {
	*common
	*pools
	dir  string
	lock *flock.File

	stopBackground context.CancelFunc
	background     sync.WaitGroup
}

// Open opens the queue, or creates it. A store that is damaged is moved away,
// with a warning, and a new one created. A folder that another process uses is a
// fault.Busy error. Where other servers keep the queue as well, Open waits until
// enough of them are there. Call Close when Run has returned.
func Open(ctx context.Context, o Options) (*JetStream, error) {
	if o.Dir == "" || o.Logger == nil || o.Registerer == nil || o.Embedded != nil && o.NATS != nil {
		return nil, errors.New("queue: Dir, Logger and Registerer are required, and Embedded and NATS exclude each other")
	}
	o.Timing = o.Timing.withDefaults()
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the queue's folder: %w", err)
	}
	locked, err := lock(o.Dir)
	if err != nil {
		return nil, err
	}
	name, err := memberName(o.Dir, o.embedded().memberName(), o.Logger)
	var s *stream
	if err == nil && o.NATS != nil {
		s, err = dial(ctx, o)
	} else if err == nil {
		s, err = embed(ctx, o)
	}
	if err != nil {
		return nil, errors.Join(err, locked.Close())
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	q := &JetStream{common: &common{stream: s, timing: o.Timing, log: o.Logger}, dir: o.Dir, lock: locked, stopBackground: stop}
	if s.follow != nil {
		q.background.Go(func() { s.follow(background) })
	}
	if s.handle == nil {
		err = s.await(ctx, o.Timing.WaitReport)
	}
	if err == nil {
		err = q.start(ctx, background, o, name)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, errors.Join(err, q.CloseLast())
		}
		return nil, errors.Join(err, q.Close())
	}
	return q, nil
}

// start joins the other replicas and loads what they have in common, before
// anything is worked on.
func (q *JetStream) start(ctx, background context.Context, o Options, name string) (err error) {
	s := q.stream
	if err := s.acceptVersion(ctx); err != nil {
		return err
	}
	q.background.Go(func() { s.watchVersion(background) })
	q.inflight = newInflight(s.prefix, o.Trouble)
	q.group, err = replica.Join(replica.Options{
		Name: name, Conn: s.conn, Bucket: s.bucket, Prefix: string(s.prefix), Logger: o.Logger, Alone: !s.shared,
		Answer: q.inflight.claims, Timing: o.Timing.Replicas,
	})
	if err != nil {
		return err
	}
	q.pauses = &pauses{stream: s, changed: make(chan struct{})}
	if q.metrics, err = newMetrics(o.Registerer); err != nil {
		return err
	}
	q.pools = newPools(q.common)
	if err := o.Registerer.Register(gauges{s, q.pauses, q.pools.shares}); err != nil {
		return err
	}
	if err := fault.Retry(ctx, 5, fault.Backoff{}, func() error { return q.pauses.load(ctx) }); err != nil {
		// Blocking all work for fear of a pause would be worse than missing one.
		o.Logger.WarnContext(ctx, "pauses not loaded: work begins without them", "err", err)
	}
	q.background.Go(func() { q.group.Run(background) })
	q.background.Go(func() { q.pauses.expire(background) })
	if s.shared {
		q.background.Go(func() { q.pauses.follow(background) })
	}
	return nil
}

// Close shuts the queue down and waits until its files are closed. What it holds
// is kept, and the other replicas take over this one's share.
func (q *JetStream) Close() error { return q.close(context.Background()) }

// lastTimeout is how long the end of the process waits for that of the server.
const lastTimeout = 3 * time.Second

// CloseLast is Close for a process that ends next: it waits for some seconds
// only. A server that is being brought up to date by another one that is gone
// would take longer; its store survives being cut off.
func (q *JetStream) CloseLast() error {
	ctx, cancel := context.WithTimeout(context.Background(), lastTimeout)
	defer cancel()
	return q.close(ctx)
}

func (q *JetStream) close(ctx context.Context) error {
	q.stopBackground()
	q.background.Wait()
	ended := make(chan error, 1)
	go func() {
		q.stream.stop()
		ended <- q.lock.Close()
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		q.log.Warn("queue shutdown timed out")
		return nil
	}
}

// Ready returns nil while the queue answers: it is open, and there are enough
// servers.
func (q *JetStream) Ready(ctx context.Context) error { return q.stream.ready(ctx) }

// ErrReopen is what Watch returns when the queue has to be closed and opened
// again. What it holds is kept.
var ErrReopen = errors.New("the disk under the queue failed and is back")

// Watch waits until the disk has failed the server in this process and can be
// written again, and then returns ErrReopen: a server that could not write its
// store once does not write to it any more. It returns nil when ctx ends.
func (q *JetStream) Watch(ctx context.Context) error {
	if q.stream.server == nil { // external servers have disks of their own
		<-ctx.Done()
		return nil
	}
	for fault.Sleep(ctx, q.timing.DiskCheck) {
		failed := q.stream.serverLog.diskFailed.Load() || !q.stream.server.JetStreamEnabled()
		if failed && isWritable(q.dir) {
			return ErrReopen
		}
	}
	return nil
}

// Part returns how much of the source's rate is this replica's at the moment: 1
// divided by the number of live replicas.
func (q *JetStream) Part(string) float64 { return 1 / float64(q.group.Live()) }

// Lease returns the lease of that name. Without other replicas it is always held.
func (q *JetStream) Lease(name string) *replica.Lease { return q.group.Lease(name) }

// Notes returns the notes of that name.
func (q *JetStream) Notes(name string) *replica.Notes { return q.group.Notes(name) }

// Broadcast returns the replicas' broadcast.
func (q *JetStream) Broadcast() *replica.Broadcast { return q.group.Broadcast("news") }

// Pending returns which packs the queue holds a slot of.
func (q *JetStream) Pending(ctx context.Context) (holds func(source, pack string) bool, err error) {
	kept, err := q.stream.kept(ctx, "*")
	return func(source, pack string) bool { return kept[q.stream.prefix.subject(source, pack)] > 0 }, err
}
