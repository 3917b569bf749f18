package daemon

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler"
	"packseal.example/scheduler/queue"
)

// queueService keeps the queue open. When the disk under its server failed and
// is back, the queue is closed and opened again, and nothing else is.
type queueService struct {
	options    queue.Options
	registries *registries

	mu     sync.Mutex
	queue  *queue.JetStream // nil before it is open
	limits map[string]int   // of SetSources
}

// reopenAfter is the time between two attempts to open the queue again.
const reopenAfter = 5 * time.Second

// get returns the queue. An error is fault.NotReady.
func (s *queueService) get() (*queue.JetStream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue == nil {
		return nil, fault.New(fault.NotReady, "packseal is starting").WithHint("it may wait for other replicas, or for the queue's servers: its log says so")
	}
	return s.queue, nil
}

// isOpen reports whether the queue is open.
func (s *queueService) isOpen() bool {
	_, err := s.get()
	return err == nil
}

// open opens the queue and sets its sources.
func (s *queueService) open(ctx context.Context) error {
	reg := prometheus.NewRegistry() // its gauges show this queue
	o := s.options
	o.Registerer = reg
	q, err := queue.Open(ctx, o)
	if err != nil {
		return err
	}
	s.registries.set("queue", reg)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = q
	return q.SetSources(ctx, s.limits)
}

// run works on the queue until ctx ends: settle gets its tasks, and beside runs
// beside that, once for each time that the queue is opened.
func (s *queueService) run(ctx context.Context, settle queue.Handler, beside func(context.Context, *queue.JetStream) error) error {
	log := s.options.Logger
	for {
		q, err := s.get()
		if err != nil {
			return err
		}
		g, working := errgroup.WithContext(ctx)
		g.Go(func() error { return q.Run(working, settle) })
		g.Go(func() error { return q.Watch(working) })
		g.Go(func() error { return beside(working, q) })
		if err := g.Wait(); !errors.Is(err, queue.ErrReopen) || ctx.Err() != nil {
			return err
		}
		log.WarnContext(ctx, "queue reopening", "err", queue.ErrReopen)
		if err := s.close(q.Close); err != nil {
			log.WarnContext(ctx, "queue not closed", "err", err)
		}
		for err := s.open(ctx); err != nil; err = s.open(ctx) {
			if ctx.Err() != nil {
				return nil
			}
			log.WarnContext(ctx, "queue not reopened", "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
			fault.Sleep(ctx, reopenAfter)
		}
		log.InfoContext(ctx, "queue reopened")
	}
}

// close closes the queue, which get does not return from then on.
func (s *queueService) close(closeQueue func() error) error {
	s.mu.Lock()
	s.queue = nil
	s.mu.Unlock()
	return closeQueue()
}

// closeLast closes the queue, if it is open, at the end of the process.
func (s *queueService) closeLast() error {
	q, err := s.get()
	if err != nil {
		return nil
	}
	return s.close(q.CloseLast)
}

// SetSources sets the sources that are worked on, with their limits, also when
// the queue is opened later.
func (s *queueService) SetSources(ctx context.Context, limits map[string]int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = limits
	if s.queue == nil {
		return nil
	}
	return s.queue.SetSources(ctx, limits)
}

// Publish is scheduler.Options.Publish.
func (s *queueService) Publish(ctx context.Context, t scheduler.Task) error {
	q, err := s.get()
	if err != nil {
		return err
	}
	return q.Publish(ctx, t)
}

// Held is scheduler.Options.Held.
func (s *queueService) Held(ctx context.Context, source, pack string) (evidence.Slot, bool, error) {
	q, err := s.get()
	if err != nil {
		return evidence.Slot{}, false, err
	}
	return q.Held(ctx, source, pack)
}

// part returns how much of a source's rate is this replica's, more than 0, up to 1.
func (s *queueService) part(source string) float64 {
	q, err := s.get()
	if err != nil {
		return 1
	}
	return q.Part(source)
}

// paused returns the pause that applies to a pack, if one does.
func (s *queueService) paused(source, pack string) (queue.Pause, bool) {
	q, err := s.get()
	if err != nil {
		return queue.Pause{}, false
	}
	return q.Paused(source, pack)
}

// pauses returns the pauses in force.
func (s *queueService) pauses() []queue.Pause {
	q, err := s.get()
	if err != nil {
		return nil
	}
	return q.Pauses()
}
