package scheduler

import (
	"context"
	"sync"
	"time"

	"packseal.example/internal/fault"
)

// gaps are the gaps that are yet to be recorded: the sinks may be down.
type gaps struct {
	Options
	mu   sync.Mutex
	owed map[Slot]gap
	kick chan struct{}
}

// gap is why a slot has no report.
type gap struct {
	reason fault.Reason
	detail string
}

func newGaps(o Options) *gaps {
	return &gaps{Options: o, owed: make(map[Slot]gap), kick: make(chan struct{}, 1)}
}

// owe notes a gap; run records it.
func (g *gaps) owe(s Slot, reason fault.Reason, detail string) {
	g.mu.Lock()
	g.owed[s] = gap{reason, detail}
	g.mu.Unlock()
	select {
	case g.kick <- struct{}{}:
	default:
	}
}

// run records gaps as they come, and those that failed again every minute.
func (g *gaps) run(ctx context.Context) {
	again := time.NewTicker(resync)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.kick:
		case <-again.C:
		}
		g.record(ctx)
	}
}

// record tries each gap once.
func (g *gaps) record(ctx context.Context) {
	g.mu.Lock()
	owed := make(map[Slot]gap, len(g.owed))
	for s, why := range g.owed {
		owed[s] = why
	}
	g.mu.Unlock()
	for s, why := range owed {
		if ctx.Err() != nil {
			return
		}
		if err := g.Gap(ctx, s, why.reason, why.detail); err != nil {
			g.Logger.WarnContext(ctx, "gap can't be recorded yet", "pack", s.Pack, "due", s.Due, "reason", fault.Of(err), "err", err)
			continue
		}
		g.mu.Lock()
		delete(g.owed, s)
		g.mu.Unlock()
		g.Logger.WarnContext(ctx, "gap recorded", "pack", s.Pack, "due", s.Due, "reason", why.reason)
	}
}
