package plans_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/archive/plans"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler"
	"packseal.example/scheduler/cron"
)

// store is an archive and a queue in memory.
type store struct {
	mu      sync.Mutex
	down    bool
	plans   map[string]evidence.Plan
	settled map[evidence.Slot]evidence.State
	queue   map[evidence.PackRef]evidence.Slot // a slot of a pack that is at work
}

func newStore() *store {
	return &store{
		plans: make(map[string]evidence.Plan), settled: make(map[evidence.Slot]evidence.State), queue: make(map[evidence.PackRef]evidence.Slot),
	}
}

// locked calls f, unless the store is down.
func (s *store) locked(f func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return fault.New(fault.SinkUnavailable, "down")
	}
	f()
	return nil
}

// Identity implements [plans.Archive].
func (s *store) Identity() string { return "store" }

// Plans implements [plans.Archive].
func (s *store) Plans(_ context.Context, have map[string]evidence.Plan) (all map[string]evidence.Plan, err error) {
	all = maps.Clone(have)
	return all, s.locked(func() { maps.Copy(all, s.plans) })
}

// PutPlan implements [plans.Archive].
func (s *store) PutPlan(_ context.Context, p evidence.Plan) error {
	key, _, err := p.Encode()
	if err != nil {
		return err
	}
	return s.locked(func() { s.plans[key] = p })
}

// dues returns when the pack's settled slots fell due, in order.
func (s *store) dues(source, pack string, within func(time.Time) bool) (dues []time.Time, err error) {
	err = s.locked(func() {
		for slot := range s.settled {
			if slot.Source == source && slot.Pack == pack && within(slot.Due) {
				dues = append(dues, slot.Due)
			}
		}
	})
	slices.SortFunc(dues, time.Time.Compare)
	return dues, err
}

// Settled implements [scheduler.History].
func (s *store) Settled(_ context.Context, slot evidence.Slot) (ok bool, err error) {
	err = s.locked(func() { ok = s.settled[slot] != "" })
	return ok, err
}

// FirstSettled implements [scheduler.History].
func (s *store) FirstSettled(_ context.Context, source, pack string) (time.Time, bool, error) {
	dues, err := s.dues(source, pack, func(time.Time) bool { return true })
	if len(dues) == 0 {
		return time.Time{}, false, err
	}
	return dues[0], true, nil
}

// LastSettled implements [scheduler.History].
func (s *store) LastSettled(_ context.Context, source, pack string, before time.Time, n int) ([]time.Time, error) {
	dues, err := s.dues(source, pack, before.After)
	slices.Reverse(dues)
	return dues[:min(n, len(dues))], err
}

// SettledBetween implements [scheduler.History].
func (s *store) SettledBetween(_ context.Context, source, pack string, after, until time.Time) iter.Seq2[time.Time, error] {
	return func(yield func(time.Time, error) bool) {
		dues, err := s.dues(source, pack, func(due time.Time) bool { return due.After(after) && !due.After(until) })
		if err != nil {
			yield(time.Time{}, err)
		}
		for _, due := range dues {
			if !yield(due, nil) {
				return
			}
		}
	}
}

// replica is one process on a store.
type replica struct {
	*store
	dir  string
	kept *plans.Store
	s    *scheduler.Scheduler
	stop func()
}

// start starts a process.
func (s *store) start(t *testing.T, dir string) *replica {
	t.Helper()
	kept, err := plans.Open(plans.Options{Dir: dir, Tool: "packseal/test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{store: s, dir: dir, kept: kept}
	r.s, err = scheduler.New(scheduler.Options{
		History: s, InForce: kept.InForce, Missed: func(time.Time) (fault.Reason, string) { return fault.Absent, "" },
		Publish: r.publish,
		Held: func(_ context.Context, source, pack string) (evidence.Slot, bool, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			slot, ok := s.queue[evidence.Ref(source, pack)]
			return slot, ok, nil
		},
		Gap: func(_ context.Context, slot evidence.Slot, _ fault.Reason, _ string) error {
			return s.settle(slot, evidence.Gapped)
		},
		Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// settle records how a slot ended.
func (s *store) settle(slot evidence.Slot, as evidence.State) error {
	return s.locked(func() {
		if s.settled[slot] == "" {
			s.settled[slot] = as
		}
		if s.queue[slot.Ref()] == slot {
			delete(s.queue, slot.Ref())
		}
	})
}

// publish queues a slot, which is sealed a little later.
func (r *replica) publish(ctx context.Context, t scheduler.Task) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	held, busy := r.queue[t.Ref()]
	switch {
	case busy && held == t.Slot, r.settled[t.Slot] != "":
		return scheduler.ErrDuplicate
	case busy:
		return &scheduler.OverlapError{Held: held}
	}
	r.queue[t.Ref()] = t.Slot
	time.AfterFunc(time.Second+time.Duration(t.Due.Unix()%7)*time.Second, func() {
		r.settle(t.Slot, evidence.Sealed) //nolint:errcheck // while the store is down it stays in the queue
	})
	return nil
}

// run runs the process, until r.stop is called.
func (r *replica) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var g sync.WaitGroup
	g.Go(func() { r.kept.Run(ctx) }) //nolint:errcheck // it has none
	g.Go(func() { r.s.Run(ctx) })    //nolint:errcheck
	r.stop = func() { cancel(); g.Wait() }
	left, err := r.kept.Left(ctx)
	for ; err != nil; left, err = r.kept.Left(ctx) {
		time.Sleep(time.Second)
	}
	for ref, since := range left {
		r.s.Leave(ref.Source, ref.Key(), since)
	}
}

// file is a configuration, by pack.
type file map[string]entry

type entry struct {
	schedule, zone string
	since, until   time.Time
}

// take puts a configuration into force.
func (r *replica) take(t *testing.T, f file) {
	t.Helper()
	var planned []evidence.PlannedPack
	var all []scheduler.Plan
	for pack, of := range f {
		s, err := cron.Parse(of.schedule, of.zone)
		if err != nil {
			t.Fatal(err)
		}
		planned = append(planned, evidence.PlannedPack{Source: "prod", Pack: pack, Schedule: s.String(), Since: of.since, Until: of.until, Zone: s.Zone()})
		all = append(all, scheduler.Plan{Source: "prod", Pack: pack, Schedule: s, Since: of.since, Until: of.until, CatchUp: 10 * time.Minute, Timeout: time.Minute, Jitter: 50 * time.Second})
	}
	since, err := r.kept.Adopt(r.store, planned, nil)
	if err == nil {
		err = r.s.Update(all, since)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// model is what was due, as a person would say: by the file that was read last.
type model struct {
	files []file
	since []time.Time
}

// take notes that a file was read now.
func (m *model) take(f file) {
	m.files = append(m.files, maps.Clone(f))
	m.since = append(m.since, time.Now().UTC())
}

// due returns which slots were due up to until, second by second.
func (m *model) due(t *testing.T, until time.Time) map[evidence.Slot]bool {
	t.Helper()
	due := make(map[evidence.Slot]bool)
	for i, f := range m.files {
		end := until
		if i+1 < len(m.files) {
			end = m.since[i+1]
		}
		for pack, of := range f {
			s, err := cron.Parse(of.schedule, of.zone)
			if err != nil {
				t.Fatal(err)
			}
			for at := range s.Between(m.since[i], end) {
				if !at.Before(of.since) && (of.until.IsZero() || !at.After(of.until)) {
					due[evidence.Slot{Source: "prod", Pack: pack, Due: at}] = true
				}
			}
		}
	}
	return due
}

// waived reports whether a later file says that the slot is not owed any more.
func (m *model) waived(s evidence.Slot) bool {
	for i, f := range m.files {
		if !m.since[i].Before(s.Due) && f[s.Pack].since.After(s.Due) {
			return true
		}
	}
	return false
}

// random makes up configurations and times.
type random struct{ *rand.Rand }

func (r random) within(d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }

// change changes a configuration a little.
func (r random) change(f file) file {
	f = maps.Clone(f)
	schedules := []string{"* * * * *", "*/5 * * * *", "@every 90s", "7 * * * *", "30 2 * * *", "@every 11m", "15 */2 * * *"}
	zones := []string{"UTC", "Asia/Shanghai", "Europe/Berlin", "Australia/Lord_Howe"}
	pack := fmt.Sprintf("cp-%d", r.IntN(3))
	if r.IntN(4) == 0 {
		delete(f, pack)
	} else {
		e := entry{schedule: schedules[r.IntN(len(schedules))], zone: zones[r.IntN(len(zones))]}
		if r.IntN(3) == 0 {
			e.since = time.Now().UTC().Truncate(time.Second).Add(r.within(8*time.Hour).Truncate(time.Second) - 4*time.Hour)
		}
		if r.IntN(3) == 0 { // perhaps before since: then nothing is due at all
			e.until = time.Now().UTC().Truncate(time.Second).Add(r.within(8*time.Hour).Truncate(time.Second) - 2*time.Hour)
		}
		f[pack] = e
	}
	return f
}

// TestHistories: whatever becomes of schedules, zones, sinces, packs, processes and state
// folders, every slot that was due is settled in the end, and none is a gap that
// was not due. The exception is the newest slot of a pack of which nothing is kept,
// which a start makes up for.
func TestHistories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) { oneHistory(t, dir, random{rand.New(rand.NewPCG(seed, 1))}) })
		})
	}
}

func oneHistory(t *testing.T, dir string, random random) {
	s, m, f := newStore(), new(model), file{"cp-0": {schedule: "*/5 * * * *", zone: "UTC"}}
	time.Sleep(random.within(24 * time.Hour))
	began := time.Now()
	var r *replica
	var did []string
	start := func() {
		r = s.start(t, dir)
		r.take(t, f)
		m.take(f)
		r.run()
	}
	start()
	for range 12 {
		time.Sleep(random.within(time.Hour) + time.Second)
		switch what := random.IntN(6); what {
		case 0, 1: // a reload
			f = random.change(f)
			r.take(t, f)
			m.take(f)
		case 2: // two reloads in one second
			r.take(t, random.change(f))
			f = random.change(f)
			r.take(t, f)
			m.take(f)
		case 3, 4: // a stop, and a start that may read another file, or find its state folder gone
			f = random.change(f)
			r.take(t, f)
			m.take(f)
			lost := random.IntN(3) == 0
			if lost {
				time.Sleep(2 * time.Second) // the plan is in the archive
			}
			r.stop()
			time.Sleep(random.within(5 * time.Hour))
			if random.IntN(2) == 0 {
				f = random.change(f)
			}
			if lost {
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
				s.mu.Lock()
				clear(s.queue)
				s.mu.Unlock()
			}
			start()
			did = append(did, "restart")
		case 5: // the store is down for a while
			s.mu.Lock()
			s.down = true
			s.mu.Unlock()
			time.Sleep(random.within(time.Hour))
			f = random.change(f)
			r.take(t, f)
			m.take(f)
			time.Sleep(random.within(time.Hour))
			s.mu.Lock()
			s.down = false
			clear(s.queue) // what was at work is given up
			s.mu.Unlock()
		}
	}
	r.stop()
	s.mu.Lock()
	clear(s.queue)
	s.mu.Unlock()
	end := time.Now()
	start()
	time.Sleep(10 * time.Minute)
	r.stop()
	synctest.Wait()
	due := m.due(t, time.Now())
	for slot := range due {
		if s.settled[slot] == "" && slot.Due.Before(end) && !m.waived(slot) {
			t.Errorf("%s was due, and has no record", slot)
		}
	}
	for slot, as := range s.settled {
		if as == evidence.Gapped && !due[slot] {
			t.Errorf("%s is a gap, and was not due", slot)
		}
	}
	if len(s.settled) == 0 || len(s.plans) < 2 {
		t.Errorf("%d slots since %s, %d plans, %v", len(s.settled), began, len(s.plans), did)
	}
}

// TestTwoHistories: of two replicas whose files differ for a while, and that come and
// go, a slot that is due by both files is settled in the end, and none is a gap that
// is due by neither.
func TestTwoHistories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			dirs := [2]string{t.TempDir(), t.TempDir()}
			synctest.Test(t, func(t *testing.T) { twoHistories(t, dirs, random{rand.New(rand.NewPCG(seed, 2))}) })
		})
	}
}

func twoHistories(t *testing.T, dirs [2]string, random random) {
	s, f := newStore(), file{"cp-0": {schedule: "*/5 * * * *", zone: "UTC"}, "cp-1": {schedule: "7 * * * *", zone: "Asia/Shanghai"}}
	files, models := [2]file{f, f}, [2]*model{new(model), new(model)}
	var replicas [2]*replica
	start := func(i int) {
		replicas[i] = s.start(t, dirs[i])
		replicas[i].take(t, files[i])
		models[i].take(files[i])
		replicas[i].run()
	}
	start(0)
	start(1)
	for range 16 {
		time.Sleep(random.within(40 * time.Minute))
		i := random.IntN(2)
		switch random.IntN(4) {
		case 0: // a file that the other has not yet
			files[i] = random.change(files[i])
		case 1: // the rollout reaches it
			files[i] = files[1-i]
		case 2: // a restart
			replicas[i].stop()
			time.Sleep(random.within(2 * time.Hour))
			start(i)
			continue
		case 3: // nothing changes
		}
		replicas[i].take(t, files[i])
		models[i].take(files[i])
	}
	files[0] = files[1]
	for i, r := range replicas {
		r.stop()
		start(i)
	}
	time.Sleep(3 * time.Hour)
	end := time.Now().Add(-10 * time.Minute)
	for _, r := range replicas {
		r.stop()
	}
	synctest.Wait()
	due := [2]map[evidence.Slot]bool{models[0].due(t, time.Now()), models[1].due(t, time.Now())}
	for slot := range due[0] {
		if due[1][slot] && s.settled[slot] == "" && slot.Due.Before(end) && !models[0].waived(slot) && !models[1].waived(slot) {
			t.Errorf("%s was due, and has no record", slot)
		}
	}
	for slot, as := range s.settled {
		if as == evidence.Gapped && !due[0][slot] && !due[1][slot] {
			t.Errorf("%s is a gap, and was not due", slot)
		}
	}
}
