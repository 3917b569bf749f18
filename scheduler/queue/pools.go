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

// SetSources says which sources are worked on from now on: the limit of each is
// how many of its tasks are at work at once in all replicas together, not
// counting those that are past Task.Fetched. It may be called before Run and
// while it runs. A new source gets its consumer and workers, a changed limit
// applies to what is begun from then on. Of a source that is gone nothing is
// begun any more: what is at work is finished, and what waits stays in the queue,
// for other replicas or until it is set again.
func (p *pools) SetSources(ctx context.Context, limits map[string]int) error {
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

// Run hands the tasks of the sources to settle until ctx ends and the last call
// has returned. While settle runs the task is kept alive, so that nobody else
// gets it. What is paused is not handed out, but when its deadline has passed, to
// be settled: see Task.Paused. An error is one that waiting does not cure; what
// is at work is ended then as well.
func (p *pools) Run(ctx context.Context, settle Handler) error {
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
