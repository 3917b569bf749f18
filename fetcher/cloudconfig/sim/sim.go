// Package sim simulates the Config API and its bucket: an [http.Handler] that
// serves both the API (path "/", version 2020-09-07, RPC style) and the OSS bucket
// with the reports (all other paths).
//
// It is independent of the client on purpose: it shares no code with it, verifies
// signatures, dates and nonces as strictly as the real service, and returns the
// real errors, so that a bug of the client cannot cancel itself out. A [Script]
// per pack adds faults and delays.
//
// It has no goroutines: all state follows from the time of each call, so it works
// in a synctest bubble as well as behind a listener.
package sim

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxWorkbook is the largest Size of a workbook. It is somewhat less than what a
// compound file holds without a second level of its allocation table.
const maxWorkbook = 4 << 20

// Server is the simulator. It is safe for concurrent use.
type Server struct {
	opt    Options
	user   atomic.Pointer[user]
	logger *slog.Logger
	calls  map[string]*atomic.Int64
	nonces nonces
	rate   rate
	quotas quotas
	bucket bucket
	faults *faults // of calls that are about no pack and no member account

	mu     sync.RWMutex     // guards the following
	packs  map[string]*pack // by key, also those that are gone: the bucket has their reports
	order  []*pack          // those that exist, as they were added
	groups []Group          // those of Options, and those of packs, as they were added

	accounts []*memberAccount // members of the directory, as they were added
	sessions map[string]*user // of roles, by key ID
}

// New returns a simulator.
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
		quotas: quotas{of: opt.Quotas, used: make(map[string]used)},
		bucket: newBucket(opt.AccessKeySecret),

		faults: newFaults(Script{}), sessions: make(map[string]*user),
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.Rotate(opt.AccessKeyID, opt.AccessKeySecret, opt.SecurityToken)
	for action := range actions {
		s.calls[action] = new(atomic.Int64)
	}
	s.groups = slices.Clone(opt.Groups)
	for _, a := range opt.Accounts {
		if err := s.SetAccount(a); err != nil {
			return nil, err
		}
	}
	for _, p := range opt.Packs {
		if err := s.Add(p); err != nil {
			return nil, err
		}
	}
	for _, id := range []string{allRules, inventory} {
		if s.packs[id] == nil {
			if err := s.Add(Pack{ID: id}); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// now returns the time of the simulated clock.
func (s *Server) now() time.Time { return time.Now().Add(s.opt.Skew) }

// ServeHTTP serves API calls and downloads.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	wait(r.Context(), s.opt.Latency)
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	w.Header().Set("Server", "packseal-sim")
	if r.URL.Path == "/" || r.URL.Path == "" {
		s.serveAPI(w, r)
		return
	}
	s.serveObject(w, r)
}

// Calls returns the number of calls with a valid signature by API action, and of
// downloads as Download.
func (s *Server) Calls() map[string]int {
	m := make(map[string]int, len(s.calls))
	for name, n := range s.calls {
		if n := int(n.Load()); n > 0 {
			m[name] = n
		}
	}
	return m
}

// Touch starts generating a report of the pack, like a person in the console. It
// does nothing if one is being generated, or if there is no such pack.
func (s *Server) Touch(key string) {
	if p := s.pack(key); p != nil {
		p.touch(s.now())
	}
}

// Made returns how many reports of the pack calls have requested, with repetitions
// of a request counted once.
func (s *Server) Made(key string) int {
	p := s.pack(key)
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made
}

// Report is a report that is done.
type Report struct {
	ID     string    // of reports that have one
	Began  time.Time // when it was requested
	Done   time.Time // when it was ready
	Status string    // COMPLETE, FAILED or TIMEOUT
}

// Reports returns the latest reports of the pack that are done, in order.
func (s *Server) Reports(key string) (done []Report) {
	p := s.pack(key)
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance(s.now())
	for _, r := range p.reports {
		done = append(done, Report{r.id, r.began, r.created, r.status})
	}
	return done
}

// Rotate replaces the keys of the only user. The old ones are unknown from now on;
// reports and links remain valid.
func (s *Server) Rotate(accessKeyID, accessKeySecret, securityToken string) {
	s.user.Store(&user{keyID: accessKeyID, secret: accessKeySecret, token: securityToken})
}
