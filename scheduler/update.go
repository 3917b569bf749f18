package scheduler

// Update makes plans the scheduler's packs, at any time, also while Run runs. A
// pack whose plan is as before goes on undisturbed, also one that waits for
// another try. One that is new, or whose plan has changed, is started as at a
// start of the process: its newest slot is caught up with and its history read.
// One that is not among plans is forgotten. An error changes nothing.
func (s *Scheduler) Update(plans []Plan) error {
	if err := checkPlans(plans); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next, now := make(map[packKey]*pack, len(plans)), wallClock()
	var added, removed []*pack
	for _, plan := range plans {
		old := s.packs[plan.key()]
		if old != nil && old.Plan.equal(plan) {
			next[plan.key()] = old
			continue
		}
		p := newPack(plan, now)
		if old != nil {
			p.replace(old)
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
	}
	for _, p := range added {
		s.queue.add(p)
		s.startBackfill(p)
	}
	return nil
}
