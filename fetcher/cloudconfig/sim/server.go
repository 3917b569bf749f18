package sim

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// maxWorkbook is the largest Size for a workbook: what a compound file holds
// without a second level of its allocation table, with room to spare.
const maxWorkbook = 4 << 20

// Server is the simulator. It may be used from many goroutines.
type Server struct {
	opt    Options
	user   atomic.Pointer[user]
	logger *slog.Logger
	packs  map[string]*pack // by key; never changes
	order  []*pack          // as in Options
	groups []string         // the account groups, in the order of their first packs
	calls  map[string]*atomic.Int64
	nonces nonces
	rate   rate
	bucket bucket
}

// New returns a simulator of what opt describes.
func New(opt Options) (*Server, error) {
	if opt.AccessKeyID == "" || opt.AccessKeySecret == "" {
		return nil, errors.New("the simulator needs an access key ID and secret")
	}
	s := &Server{
		opt:    opt,
		logger: opt.Logger,
		packs:  make(map[string]*pack, len(opt.Packs)),
		calls:  map[string]*atomic.Int64{Download: new(atomic.Int64)},
		rate:   rate{perSecond: opt.RatePerSecond},
		bucket: newBucket(opt.AccessKeySecret),
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.Rotate(opt.AccessKeyID, opt.AccessKeySecret, opt.SecurityToken)
	for action := range actions {
		s.calls[action] = new(atomic.Int64)
	}
	for _, p := range opt.Packs {
		if err := s.add(p); err != nil {
			return nil, fmt.Errorf("pack %q: %w", p.Key(), err)
		}
	}
	return s, nil
}

// add takes in one pack.
func (s *Server) add(p Pack) error {
	p.AccountID = cmp.Or(p.AccountID, "1234567890123456")
	p.Script.Link = cmp.Or(p.Script.Link, V1)
	p.Script.LinkLife = cmp.Or(p.Script.LinkLife, time.Hour)
	switch {
	case p.ID == "" || strings.ContainsAny(p.Key(), "_ ?#") || strings.Count(p.Key(), "/") > 1:
		return errors.New("the ID can't be part of a path")
	case s.packs[p.Key()] != nil:
		return errors.New("is there twice")
	case strings.Trim(p.AccountID, "0123456789") != "":
		return fmt.Errorf("account ID %q is not a number", p.AccountID)
	case !p.Script.Blob && p.Script.Size > maxWorkbook:
		return fmt.Errorf("a workbook of %d bytes: over %d only a blob is made", p.Script.Size, maxWorkbook)
	case !p.Script.Link.known():
		return fmt.Errorf("unknown form of link %q", p.Script.Link)
	}
	if p.Aggregator != "" && !s.hasGroup(p.Aggregator) {
		s.groups = append(s.groups, p.Aggregator)
	}
	state := newPack(p, s.now())
	s.packs[p.Key()] = state
	s.order = append(s.order, state)
	return nil
}

func (s *Server) hasGroup(id string) bool {
	for _, g := range s.groups {
		if g == id {
			return true
		}
	}
	return false
}

// now is the simulated clock.
func (s *Server) now() time.Time { return time.Now().Add(s.opt.Skew) }

// ServeHTTP answers a call of the API, or a download.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	w.Header().Set("Server", "packseal-sim")
	if r.URL.Path == "/" || r.URL.Path == "" {
		s.serveAPI(w, r)
		return
	}
	s.serveObject(w, r)
}

// Calls returns how many calls were signed well so far, by API action, and
// how many downloads, as Download.
func (s *Server) Calls() map[string]int {
	m := make(map[string]int, len(s.calls))
	for name, n := range s.calls {
		if n := int(n.Load()); n > 0 {
			m[name] = n
		}
	}
	return m
}

// Touch has a report of the pack made, as a person does in the console. It
// does nothing while one is in the making, or when there is no such pack.
func (s *Server) Touch(key string) {
	if p := s.packs[key]; p != nil {
		p.generate("", s.now())
	}
}

// Made returns how many reports of the pack were asked for and begun: asking
// twice for the same one counts once.
func (s *Server) Made(key string) int {
	p := s.packs[key]
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.tokens)
}
