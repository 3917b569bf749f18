package queue

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"packseal.example/internal/fault"
	"packseal.example/scheduler/replica"
)

// pool is the workers of one source: it pulls tasks and works on each of them in
// a goroutine of its own.
type pool struct {
	*common
	source string
	limit  *replica.Limit
	most   int // tasks at once in all replicas together
	settle Handler

	*puller
	paused  *pausedSlots
	working sync.WaitGroup
	stopped chan struct{} // closed when no request is pending any more
}

// run pulls and works until pull ends. Work that has begun by then goes on, until
// it is done or ctx ends, and run waits for it.
func (p *pool) run(ctx, pull context.Context) error {
	if err := p.stream.createConsumer(pull, p.source); pull.Err() != nil {
		return nil
	} else if err != nil {
		return fmt.Errorf("working on %s: %w", p.source, err)
	}
	var err error
	if p.puller, err = newPuller(p.stream, p.source, p.most); err != nil {
		return fmt.Errorf("working on %s: %w", p.source, err)
	}
	p.stopped = make(chan struct{})
	p.paused = &pausedSlots{p.common, p.source, p.settle, expireSoonest}
	watchdog := &watchdog{p.common, p.source, p.limit}
	defer p.working.Wait()
	defer p.stop()
	p.working.Go(func() { p.paused.run(pull) })
	p.working.Go(func() { watchdog.run(pull) })
	for pull.Err() == nil {
		if err := p.round(ctx, pull); err != nil && pull.Err() == nil {
			return fmt.Errorf("working on %s: %w", p.source, err)
		}
	}
	return nil
}

// acquire waits until the source is not paused and its limit leaves room, and
// takes all of that: how much, or 0 when pull has ended. A task that arrives
// meanwhile, for a request that was given up, is put back.
func (p *pool) acquire(ctx, pull context.Context) int {
	for pull.Err() == nil {
		membersChanged := p.group.Changed()
		paused, _, pausesChanged := p.pauses.source(p.source)
		if !paused {
			if n := p.limit.Take(); n > 0 {
				return n
			}
		}
		select {
		case <-pull.Done():
		case <-p.limit.Free():
		case <-membersChanged:
		case <-pausesChanged:
		case msg := <-p.msgs:
			if status(msg) == "" {
				p.working.Go(func() { p.reject(ctx, msg) })
			}
		}
	}
	return 0
}

// reject puts back a task that arrived too late to be worked on.
func (p *pool) reject(ctx context.Context, msg *nats.Msg) {
	d := &delivery{Msg: msg, broker: p.broker}
	if d.decode() != nil || !p.paused.deferred(ctx, d) {
		d.answer(ctx, putBack(0))
	}
}

// round requests as many tasks as the limit leaves room for, at least one, and
// begins work on them as they arrive, until the request is used up. So no task
// that is handed out waits here while its time runs.
func (p *pool) round(ctx, pull context.Context) error {
	want := p.acquire(ctx, pull)
	defer func() { p.limit.Give(want) }()
	if want == 0 {
		return nil
	}
	if err := p.request(want); err != nil {
		return err
	}
	silence := time.NewTimer(p.silence())
	defer silence.Stop()
	for want > 0 {
		select {
		case <-pull.Done():
			return nil
		case <-silence.C: // after a suspend, for one: request anew
			return nil
		case msg := <-p.msgs:
			silence.Reset(p.silence())
			switch status(msg) {
			case "":
				want--
				p.working.Go(func() { p.work(ctx, msg) })
			case statusHeartbeat:
			case statusNoMessages, statusExpired:
				return nil
			default:
				p.log.Debug("pull request refused", "source", p.source, "err", msg.Header.Get("Description"))
				fault.Sleep(pull, time.Second)
				if p.broker.shared { // the consumer may be gone with its server
					return p.stream.createConsumer(pull, p.source)
				}
				return nil
			}
		}
	}
	return nil
}

// stop ends the pulling, and puts back what arrived too late to be worked on.
// Only then may anything else be put back: it would come right back.
func (p *pool) stop() {
	defer close(p.stopped)
	for msg := range p.close() {
		d := &delivery{Msg: msg, broker: p.broker}
		d.answer(context.Background(), putBack(0))
	}
}

// work sees one message through: decode it, handle it while keeping it alive,
// and tell the server what has become of it. Its permit is given back when that
// is done, or when its report is here.
func (p *pool) work(ctx context.Context, msg *nats.Msg) {
	release := sync.OnceFunc(func() { p.limit.Give(1) })
	defer release()
	d := &delivery{Msg: msg, broker: p.broker}
	if err := d.decode(); err != nil {
		// It will not get better, and the scheduler still knows what is owed.
		p.log.Error("invalid message dropped", "source", p.source, "err", err)
		_ = msg.Term() // lost, it comes back
		return
	}
	if p.paused.deferred(ctx, d) {
		return
	}
	d.Delivered = max(1, d.Delivered-p.inflight.deferrals(d.Task)) // a pause is no failed attempt
	d.Fetched = release
	if d.Delivered > 1 {
		p.metrics.redelivered.WithLabelValues(p.source).Inc()
	}
	alive, stop := context.WithCancel(ctx)
	var keeping sync.WaitGroup
	keeping.Go(func() { d.keepAlive(alive) })
	again := p.handle(ctx, p.settle, d.Task)
	stop()
	keeping.Wait()
	switch {
	case again <= 0:
		d.answer(ctx, settled)
	case ctx.Err() != nil:
		<-p.stopped
		d.answer(ctx, putBack(0))
	default:
		d.answer(ctx, putBack(again))
	}
}
