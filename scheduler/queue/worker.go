package queue

import (
	"context"
	"encoding/json"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

// answerTime bounds each answer to the engine. Answers are given also, and
// above all, when the context of the work has ended.
const answerTime = 5 * time.Second

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
// done, or when its report is here.
func (w *worker) work(ctx context.Context, msg *nats.Msg) {
	leave := sync.OnceFunc(func() { w.release(1) })
	defer leave()
	t, err := decode(msg)
	if err != nil {
		// It will not get better, and the scheduler still knows what is owed.
		w.log.Error("a message that is no slot was dropped", "source", w.source, "err", err)
		w.answered(nil, msg.Term())
		return
	}
	t.Fetched = leave
	if t.Delivered > 1 {
		w.metrics.redelivered.WithLabelValues(w.source).Inc()
	}
	alive, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		keepAlive(alive, msg)
	}()
	again := w.guarded(ctx, t)
	stop()
	<-done

	answer, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	switch {
	case again <= 0:
		// Only the engine's own word makes sure that nobody gets it again.
		w.answered(&t, msg.AckSync(nats.Context(answer)))
	case ctx.Err() != nil:
		<-w.stopped
		w.answered(&t, w.nak(msg))
	default:
		w.answered(&t, msg.NakWithDelay(again))
	}
}

// guarded calls the handler. A panic costs this try and nothing else.
func (w *worker) guarded(ctx context.Context, t scheduler.Task) (again time.Duration) {
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

// nak puts a message back at once, and makes sure that the engine has heard of
// it, because the connection may be closed next. Only a delay, however short,
// is written to the store, so that it holds also after a restart.
func (w *worker) nak(msg *nats.Msg) error {
	return errors.Join(msg.NakWithDelay(time.Millisecond), w.engine.conn.FlushTimeout(answerTime))
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
