package queue

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"packseal.example/scheduler/replica"
)

// pools are the pools of all sources, which may come and go while others work.
type pools struct {
	*common

	mu    sync.Mutex
	all   map[string]*poolState // also former ones, whose work may not be done yet
	start func(*poolState)      // starts the source's pool, while Run is running
}

// poolState is what is known of one source.
type poolState struct {
	name  string
	most  int // tasks at once in all replicas together; 0 = it was removed
	limit *replica.Limit
	stop  context.CancelFunc // ends the pulling of its pool; what is at work is finished
}

func newPools(c *common) *pools {
	return &pools{common: c, all: make(map[string]*poolState), start: notRunning}
}

// notRunning starts no pool.
func notRunning(state *poolState) { state.stop = func() {} }

// set has these sources worked on, and no others.
func (p *pools) set(ctx context.Context, limits map[string]int) error {
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		if limits[name] < 1 {
			return fmt.Errorf("setting the sources: %s has a limit of %d", name, limits[name])
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for name := range limits {
		if p.all[name] == nil {
			p.all[name] = &poolState{name: name, limit: p.group.NewLimit(limits[name]), stop: func() {}}
			p.metrics.add(name)
		}
	}
	for name, state := range p.all {
		if state.most == limits[name] {
			continue
		}
		p.log.DebugContext(ctx, "source changed", "source", name, "limit", limits[name])
		state.stop()
		if state.most = limits[name]; state.most > 0 {
			state.limit.Set(state.most)
			p.start(state)
		}
	}
	return nil
}

// run runs the pools of all sources until ctx ends or one of them fails, and
// waits until their work has ended.
func (p *pools) run(ctx context.Context, settle Handler) error {
	running, ctx := errgroup.WithContext(ctx)
	p.mu.Lock()
	p.start = func(state *poolState) {
		w := &pool{common: p.common, source: state.name, limit: state.limit, most: state.most, settle: settle}
		var pull context.Context
		pull, state.stop = context.WithCancel(ctx)
		running.Go(func() error { return w.run(ctx, pull) })
	}
	for _, state := range p.all {
		if state.most > 0 {
			p.start(state)
		}
	}
	p.mu.Unlock()
	<-ctx.Done()
	p.mu.Lock()
	p.start = notRunning
	p.mu.Unlock()
	return running.Wait()
}

// shares returns each source's share of its limit in this replica.
func (p *pools) shares() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	shares := make(map[string]int, len(p.all))
	for name, state := range p.all {
		if state.most > 0 {
			shares[name] = state.limit.Share()
		}
	}
	return shares
}
