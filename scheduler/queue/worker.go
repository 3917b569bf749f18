package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

const (
	// answerTime bounds each answer to the engine. Answers are given also, and
	// above all, when the context of the work has ended.
	answerTime = 5 * time.Second

	// spreadAnswerTime is the same where a server may have died: another one
	// must take over first. It is less than ackWait, after which the answer
	// would come too late.
	spreadAnswerTime = 20 * time.Second

	// lastAnswerTime is the same when the work ends as a whole: the process is
	// given some seconds only, and who does not hear hands out again by itself.
	lastAnswerTime = 3 * time.Second

	// once is how long one try to answer may take, and between is the pause.
	once    = 2 * time.Second
	between = 100 * time.Millisecond
)

// worker works on the tasks of one source.
type worker struct {
	*JetStream
	source string
	handle Handler

	*puller
	running sync.WaitGroup
	stopped chan struct{} // closed when no request stands any more
}

// work sees one message through: decode, handle while keeping it alive, and
// tell the engine what came of it. Its place is free for another when it is
// done, or when its report is here; if the place may be another replica's
// before that, the work ends.
func (w *worker) work(ctx, lease context.Context, msg *nats.Msg) {
	placed, end := context.WithCancelCause(ctx)
	defer end(nil)
	stay := context.AfterFunc(lease, func() { end(context.Cause(lease)) })
	leave := sync.OnceFunc(func() {
		stay()
		w.give(1)
	})
	defer leave()
	t, err := decode(msg)
	if err != nil {
		// It will not get better, and the scheduler still knows what is owed.
		w.log.Error("a message that is no slot was dropped", "source", w.source, "err", err)
		w.answered(nil, msg.Term())
		return
	}
	if w.hold(ctx, msg, t) {
		return
	}
	t.Delivered = max(1, t.Delivered-w.book.held(t)) // a pause is no failure, after which to wait longer
	t.Fetched = leave
	if t.Delivered > 1 {
		w.metrics.redelivered.WithLabelValues(w.source).Inc()
	}
	alive, stop := context.WithCancel(placed)
	done := make(chan struct{})
	go func() {
		defer close(done)
		keepAlive(alive, msg)
	}()
	again := w.guarded(placed, t)
	stop()
	<-done

	switch {
	case again <= 0:
		w.answered(&t, w.answer(ctx, msg, settled))
	case ctx.Err() != nil:
		<-w.stopped
		w.answered(&t, w.answer(ctx, msg, putBack(0)))
	case placed.Err() != nil:
		leave() // whatever becomes of the answer
		w.answered(&t, w.answer(ctx, msg, putBack(0)))
	default:
		w.answered(&t, w.answer(ctx, msg, putBack(again)))
	}
}

// settled is the answer that a slot is done with.
var settled = []byte("+ACK")

// putBack is the answer that a slot is to be handed out again after a while.
// Only a delay, however short, is written to the store, so that it holds also
// after a restart.
func putBack(delay time.Duration) []byte {
	return fmt.Appendf(nil, `-NAK {"delay": %d}`, max(delay, time.Millisecond))
}

// answer tells the engine what came of a message, again until it has taken
// that: only its own word makes sure that nobody gets a settled slot again,
// and the connection may be closed next.
func (w *worker) answer(ctx context.Context, msg *nats.Msg, what []byte) error {
	ending := ctx
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.answerTime())
	defer cancel()
	defer context.AfterFunc(ending, func() { time.AfterFunc(lastAnswerTime, cancel) })()
	for {
		try, cancel := context.WithTimeout(ctx, once)
		_, err := w.engine.conn.RequestWithContext(try, msg.Reply, what)
		cancel()
		if err == nil || errors.Is(err, nats.ErrConnectionClosed) || !fault.Sleep(ctx, between) {
			return err
		}
	}
}

// answerTime bounds the tries of one answer.
func (w *worker) answerTime() time.Duration {
	if w.engine.spread {
		return spreadAnswerTime
	}
	return answerTime
}

// guarded calls the handler. A panic costs this try and nothing else.
func (w *worker) guarded(ctx context.Context, t scheduler.Task) (again time.Duration) {
	end := w.book.begin(t)
	defer func() { end(again) }()
	defer func() {
		if p := recover(); p != nil {
			w.metrics.panics.WithLabelValues(w.source).Inc()
			w.log.Error("a panic was caught at work", "source", t.Source, "pack", t.Pack, "due", t.Due,
				"err", p, "stack", string(debug.Stack()))
			again = fault.Backoff{}.Wait(t.Delivered-1, nil)
		}
	}()
	return w.handle(ctx, t)
}

// answered logs an answer that did not get through. The engine then hands the
// task out again after ackWait, which every handler must bear anyway.
func (w *worker) answered(t *scheduler.Task, err error) {
	if err == nil {
		return
	}
	log := w.log.With("source", w.source)
	if t != nil {
		log = log.With("pack", t.Pack, "due", t.Due)
	}
	log.Warn("the queue did not take an answer", "err", err)
}

// keepAlive tells the engine three times per ackWait that work goes on.
func keepAlive(ctx context.Context, msg *nats.Msg) {
	tick := time.NewTicker(ackWait / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			// One that is lost does no harm; if all are, the task is handed
			// out again, and the archive settles who was first.
			_ = msg.InProgress()
		}
	}
}

// decode reads a task and how often it was handed out.
func decode(msg *nats.Msg) (t scheduler.Task, err error) {
	if err = json.Unmarshal(msg.Data, &t); err != nil {
		return t, err
	}
	meta, err := msg.Metadata()
	if err != nil {
		return t, err
	}
	t.Delivered = int(meta.NumDelivered)
	return t, nil
}
