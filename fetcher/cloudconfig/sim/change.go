package sim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Add adds a pack, and its account group if there is none of that ID. It exists
// from then on.
func (s *Server) Add(p Pack) error {
	p.AccountID = cmp.Or(p.AccountID, p.Member, mainAccount)
	p.Script.Link = cmp.Or(p.Script.Link, V1)
	p.Script.Rules = cmp.Or(p.Script.Rules, 8)
	p.Script.Evaluate = cmp.Or(p.Script.Evaluate, time.Second)
	p.Script.LinkLife = cmp.Or(p.Script.LinkLife, time.Hour)
	p.Risk = cmp.Or(p.Risk, 1)
	p.Status = cmp.Or(p.Status, "ACTIVE")
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(p); err != nil {
		return fmt.Errorf("pack %q: %w", p.Key(), err)
	}
	if p.Aggregator != "" && !slices.ContainsFunc(s.groups, func(g Group) bool { return g.ID == p.Aggregator }) {
		s.groups = append(s.groups, Group{ID: p.Aggregator})
	}
	state := newPack(p, s.now())
	s.packs[p.Key()] = state
	s.order = append(s.order, state)
	return nil
}

// check returns what is wrong with a pack. It is called with mu held.
func (s *Server) check(p Pack) error {
	switch old := s.packs[p.Key()]; {
	case p.ID == "" || strings.ContainsAny(p.Key(), "_ ?#") || strings.Count(p.Key(), "/") > 1:
		return errors.New("the ID cannot be part of a path")
	case old != nil && !old.gone.Load():
		return errors.New("duplicate")
	case p.Member != "" && !slices.ContainsFunc(s.accounts, func(a *memberAccount) bool { return a.ID == p.Member }):
		return fmt.Errorf("there is no member account %q", p.Member)
	case strings.Trim(p.AccountID, "0123456789") != "":
		return fmt.Errorf("account ID %q is not a number", p.AccountID)
	case !p.Script.Blob && p.Script.Size > maxWorkbook:
		return fmt.Errorf("a workbook of %d bytes: more than %d needs a blob", p.Script.Size, maxWorkbook)
	case !p.Script.Link.known():
		return fmt.Errorf("unknown link form %q", p.Script.Link)
	}
	return nil
}

// Remove deletes a pack, like a person in the console. Its reports stay in the
// bucket. It does nothing if there is no such pack.
func (s *Server) Remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.packs[key]; p != nil {
		p.gone.Store(true)
		s.order = slices.DeleteFunc(slices.Clone(s.order), func(o *pack) bool { return o == p })
	}
}

// SetGroup adds an account group, or replaces the one of its ID.
func (s *Server) SetGroup(g Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.groups, func(o Group) bool { return o.ID == g.ID }); i >= 0 {
		s.groups[i] = g
		return
	}
	s.groups = append(s.groups, g)
}

// RemoveGroup deletes an account group with its packs.
func (s *Server) RemoveGroup(id string) {
	s.mu.RLock()
	all := s.order
	s.mu.RUnlock()
	for _, p := range all {
		if p.Aggregator == id {
			s.Remove(p.Key())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups = slices.DeleteFunc(slices.Clone(s.groups), func(g Group) bool { return g.ID == id })
}

// pack returns the pack of that key, also one that is gone; nil if there never was
// one.
func (s *Server) pack(key string) *pack {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.packs[key]
}

// usable reports whether there is the account group of a call, which is not being
// created. Member accounts have none.
func (s *Server) usable(q *request) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	id := q.group()
	return q.member() == "" && slices.ContainsFunc(s.groups, func(g Group) bool { return g.ID == id && !g.Creating })
}
