package queue

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

// JetStream is the Queue on NATS JetStream: an engine in this process, alone
// or joined to those of other replicas, or servers outside. Its folder holds
//
//	lock               held as long as the queue is open
//	member             a word of this replica's own, which its name ends in
//	jetstream/         the store of an engine in this process
//	jetstream.damaged/ the latest store that could not be opened, for whoever wants to know why
type JetStream struct {
	dir     string
	log     *slog.Logger
	engine  *engine
	member  string // this replica's name
	metrics *metrics
	sharing *sharing // nil when there are no other replicas
	lock    *os.File
	pauses  *pauses
	book    *book
	roster  roster
	stall   stall

	stopAttending context.CancelFunc
	attending     sync.WaitGroup
}

var _ Queue = (*JetStream)(nil)

// Open opens the queue, or makes it. A store that is damaged is put aside,
// with a warning, and a new one made. A folder that another process uses is a
// fault.Busy error. Where the queue is not in this process alone, Open waits
// until enough servers are there. Call Close when all Work has returned.
func Open(ctx context.Context, o Options) (*JetStream, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the queue's folder: %w", err)
	}
	held, err := lock(o.Dir)
	if err != nil {
		return nil, err
	}
	q := &JetStream{dir: o.Dir, log: o.Logger, lock: held, stall: usualStall}
	if q.member, err = memberName(o.Dir, o.embedded().memberName()); err != nil {
		held.Close()
		return nil, err
	}
	if o.NATS != nil {
		q.engine, err = dial(ctx, *o.NATS, o.Logger)
	} else {
		q.engine, err = embed(ctx, o)
	}
	if err != nil {
		held.Close()
		return nil, err
	}
	attending, stop := context.WithCancel(context.WithoutCancel(ctx))
	q.stopAttending = stop
	if q.engine.attend != nil {
		q.attending.Go(func() { q.engine.attend(attending) })
	}
	if o.embedded().Cluster != nil {
		err = q.engine.await(ctx, o.Logger)
	}
	if err == nil {
		q.metrics, err = newMetrics(o.Registerer, o.Sources, q.engine)
	}
	if err == nil {
		err = q.openPauses(ctx, attending, o)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, errors.Join(err, q.CloseLast())
		}
		return nil, errors.Join(err, q.Close())
	}
	if q.engine.spread {
		q.sharing = newSharing(q.member, q.engine, cmp.Or(o.pace, usual), o.Logger)
		q.attending.Go(func() { q.sharing.run(attending) })
	}
	return q, nil
}

// Close ends the engine and waits until its files are closed. What is in the
// queue stays there, and this replica's places are given to the others.
func (q *JetStream) Close() error { return q.close(context.Background()) }

// lastTime is how long the end of the process waits for that of the engine.
const lastTime = 3 * time.Second

// CloseLast is Close for a process that ends next: it waits for some seconds. A
// server that is being brought up to date by another one, and that one is gone,
// would go on for longer; its store bears being broken off.
func (q *JetStream) CloseLast() error {
	ctx, cancel := context.WithTimeout(context.Background(), lastTime)
	defer cancel()
	return q.close(ctx)
}

func (q *JetStream) close(ctx context.Context) error {
	q.stopAttending()
	q.attending.Wait()
	ended := make(chan error, 1)
	go func() {
		q.engine.stop()
		ended <- q.lock.Close()
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		q.log.Warn("the queue's engine does not end, and is left to the end of the process")
		return nil
	}
}

// Ready returns nil while the queue answers: it is open, and enough servers
// are there.
func (q *JetStream) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	info, err := q.engine.stream.Info(ctx)
	if err != nil {
		return fault.New(fault.NotReady, "the queue does not answer: %w", err)
	}
	return most(info.Cluster)
}

// most returns nil while most of the servers that keep the queue are there.
// The one that leads answers also when it was left alone, and so does one
// that has looked for a leader in vain.
func most(c *jetstream.ClusterInfo) error {
	if c == nil {
		return nil
	}
	if c.Leader == "" {
		return fault.New(fault.NotReady, "none of the servers that keep the queue leads the others")
	}
	gone := 0
	for _, peer := range c.Replicas {
		if peer.Offline || peer.Active > goneAfter {
			gone++
		}
	}
	if all := 1 + len(c.Replicas); all-gone <= all/2 {
		return fault.New(fault.NotReady, "of %d servers that keep the queue, %d are gone", all, gone)
	}
	return nil
}

const (
	goneAfter = 10 * time.Second // without a word from a server, which gives one each second
	askTime   = 5 * time.Second  // after which a question went to a server that is gone
	readyTime = 2 * time.Second  // the same, where somebody waits to hear whether we are ready
)

// What the engine answers to a publish that it refuses.
const (
	codeFull    = 10077 // a limit is reached: for one subject, that is one message
	codeInHands = 10158 // the same message ID is being stored at this moment
)

// Publish implements Queue.
func (q *JetStream) Publish(ctx context.Context, t scheduler.Task) error {
	data, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", t.ID(), err)
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	ack, err := q.engine.js.Publish(ctx, q.engine.prefix.subject(t.Source, t.Pack), data,
		jetstream.WithMsgID(t.ID()), jetstream.WithExpectStream(q.engine.prefix.stream()))
	if err == nil {
		if ack.Duplicate {
			return scheduler.ErrDuplicate
		}
		return nil
	}
	refused, _ := errors.AsType[*jetstream.APIError](err)
	if refused != nil && refused.ErrorCode == codeInHands {
		return scheduler.ErrDuplicate
	}
	if refused != nil && refused.ErrorCode == codeFull {
		held, ok, lookup := q.Held(ctx, t.Source, t.Pack)
		switch {
		case lookup != nil:
			return lookup
		case ok && held.ID() == t.ID():
			return scheduler.ErrDuplicate
		case ok:
			overlap := &scheduler.OverlapError{Held: held}
			if p, paused := q.Paused(t.Source, t.Pack); paused {
				overlap.Paused = p.String()
			}
			return overlap
		}
		// The earlier slot has just been settled, or the whole store is
		// full: either way, trying again soon is right.
	}
	return fault.Wrap(fault.Unavailable, fmt.Errorf("publishing %s: %w", t.ID(), err))
}

// Held implements Queue.
func (q *JetStream) Held(ctx context.Context, source, pack string) (scheduler.Slot, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	msg, err := q.engine.stream.GetLastMsgForSubject(ctx, q.engine.prefix.subject(source, pack))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return scheduler.Slot{}, false, nil
	}
	var t scheduler.Task
	if err == nil {
		err = json.Unmarshal(msg.Data, &t)
	}
	if err != nil {
		return scheduler.Slot{}, false, fault.Wrap(fault.Unavailable, fmt.Errorf("looking up the slot of %s/%s: %w", source, pack, err))
	}
	return t.Slot, true, nil
}
