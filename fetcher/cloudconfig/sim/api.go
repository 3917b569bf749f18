package sim

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// actions are the calls there are. Each answers or refuses a call that was
// signed well.
var actions = map[string]func(*Server, *request) (any, *refusal){
	"GenerateCompliancePackReport":          (*Server).generateReport,
	"GenerateAggregateCompliancePackReport": (*Server).generateReport,
	"GetCompliancePackReport":               (*Server).getReport,
	"GetAggregateCompliancePackReport":      (*Server).getReport,
	"ListCompliancePacks":                   (*Server).listPacks,
	"ListAggregateCompliancePacks":          (*Server).listPacks,
	"ListAggregators":                       (*Server).listGroups,
}

// request is a call on its way to its answer.
type request struct {
	*call
	id  string // the RequestId
	now time.Time
}

// serveAPI answers one call.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	q := &request{id: requestID(), now: s.now()}
	w.Header().Set("x-acs-request-id", q.id)
	var refused *refusal
	if q.call, refused = readCall(r); refused == nil {
		refused = s.admit(q)
	}
	if refused != nil {
		s.refuse(w, q, refused)
		return
	}
	if p := s.named(q); p != nil {
		if f, ok := p.faults.next(q.action()); ok {
			s.fail(w, q, f)
			return
		}
	}
	v, refused := actions[q.action()](s, q)
	if refused != nil {
		s.refuse(w, q, refused)
		return
	}
	s.log(q, "answered", "")
	answer(w, q.call, http.StatusOK, q.action()+"Response", v)
}

// admit checks all that comes before the call's own parameters, and counts
// the calls that were signed well.
func (s *Server) admit(q *request) *refusal {
	if q.action() == "" {
		return missing("Action")
	}
	if refused := s.authenticate(q.call); refused != nil {
		return refused
	}
	if q.version() != apiVersion {
		return refuse("InvalidVersion", "Specified parameter Version is not valid.")
	}
	if actions[q.action()] == nil {
		return Failure{Code: "InvalidAction.NotFound"}.worded("Specified api is not found, please check your url and method.")
	}
	s.calls[q.action()].Add(1)
	if d, ok := s.rate.take(q.now); !ok {
		return throttled(s.opt.RatePerSecond, d)
	}
	return nil
}

// fail answers as the script says.
func (s *Server) fail(w http.ResponseWriter, q *request, f Failure) {
	wait(q.r.Context(), f.Delay)
	switch {
	case f.silent():
		panic(http.ErrAbortHandler)
	case f.Code != "":
		s.refuse(w, q, f.refusal())
	default:
		f.page(w)
	}
}

// refuse answers with an error.
func (s *Server) refuse(w http.ResponseWriter, q *request, e *refusal) {
	s.log(q, "refused", e.Code)
	if e.Limit != "" {
		w.Header().Set("x-ratelimit-user", e.Limit)
	}
	answer(w, q.call, e.Status, "Error", errorAnswer{
		RequestId: q.id, HostId: q.r.Host, Code: e.Code, Message: e.Message,
		Recommend: "https://api.example/troubleshoot?q=" + e.Code + "&requestId=" + q.id,
	})
}

// log writes the call's line. A name of an action or a pack is logged only
// where it is one that we know: the rest is the caller's, and may be anything.
func (s *Server) log(q *request, message, code string) {
	args := []any{"request", q.id}
	if actions[q.action()] != nil {
		args = append(args, "call", q.action())
	}
	if p := s.named(q); p != nil {
		args = append(args, "pack", p.Key())
	}
	if code != "" {
		args = append(args, "code", code)
	}
	s.logger.Info(message, args...)
}

// named returns the pack that the call is about, or nil.
func (s *Server) named(q *request) *pack {
	want := Pack{ID: q.params.Get("CompliancePackId"), Aggregator: q.group()}
	p := s.packs[want.Key()]
	if p == nil || p.ID != want.ID {
		return nil // a key put together otherwise is no ID
	}
	return p
}

// aggregate reports whether the call is one of an account group's.
func (c *call) aggregate() bool { return strings.Contains(c.action(), "Aggregate") }

// group is the account group that the call is about, or "".
func (c *call) group() string {
	if !c.aggregate() {
		return ""
	}
	return c.params.Get("AggregatorId")
}

// requestID returns an ID of the kind that the gateway gives its answers.
func requestID() string {
	var b [16]byte
	rand.Read(b[:]) //nolint:errcheck // never fails
	return fmt.Sprintf("%X-%X-%X-%X-%X", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
