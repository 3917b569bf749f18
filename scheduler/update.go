package scheduler

import "time"

// Freeze lets no slot start any more of packs that plans changes or leaves out, until
// the next Update: what falls due from then on is by plans.
func (s *Scheduler) Freeze(plans []Plan) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	same := make(map[packKey]bool, len(plans))
	for _, plan := range plans {
		old := s.packs[plan.key()]
		same[plan.key()] = old != nil && old.Plan.equal(plan)
	}
	for key, p := range s.packs {
		p.frozen.Store(!same[key])
	}
}

// Update makes plans the scheduler's packs from since on, in whole seconds, at any
// time, also while Run runs. A pack whose plan is as before goes on undisturbed,
// also one that waits for another try. One whose plan has changed goes on too:
// what falls due before since does so by the old schedule. One that is new is
// started as at a start of the process: it is caught up with, and what it missed
// is recorded. Of one that is not among plans, the slots that were due before and
// did not start are recorded as gaps. An error changes nothing.
func (s *Scheduler) Update(plans []Plan, since time.Time) error {
	if err := checkPlans(plans); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make(map[packKey]*pack, len(plans))
	var added, removed []*pack
	for _, plan := range plans {
		old := s.packs[plan.key()]
		if old != nil && old.Plan.equal(plan) {
			next[plan.key()] = old
			old.frozen.Store(false)
			continue
		}
		var p *pack
		if old != nil {
			p = old.replace(plan, since)
		} else {
			p = newPack(plan, since)
		}
		next[plan.key()] = p
		added = append(added, p)
	}
	for key, p := range s.packs {
		if next[key] != p {
			removed = append(removed, p)
		}
	}
	s.packs = next
	s.queue.remove(removed)
	for _, p := range removed {
		p.cancel()
		if next[p.key()] == nil {
			s.startBackfill(p.leave(since))
		}
	}
	for _, p := range added {
		s.queue.add(p)
		s.startBackfill(p)
	}
	return nil
}

// Leave records as gaps what was due of a pack that is not scheduled any more since
// then, and has no record: it was taken out of the configuration while no process
// ran.
func (s *Scheduler) Leave(source, pack string, since time.Time) {
	p := newPack(Plan{Source: source, Pack: pack}, since)
	p.caughtUp = true
	s.mu.Lock()
	defer s.mu.Unlock()
	s.startBackfill(p)
}
