package sim

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// actions are the supported calls, with handlers for calls with a valid
// signature.
var actions = map[string]func(*Server, *request) (any, *refusal){
	"GenerateCompliancePackReport":          (*Server).generateReport,
	"GenerateAggregateCompliancePackReport": (*Server).generateReport,
	"GetCompliancePackReport":               (*Server).getReport,
	"GetAggregateCompliancePackReport":      (*Server).getReport,
	"GenerateConfigRulesReport":             (*Server).generateRules,
	"GenerateAggregateConfigRulesReport":    (*Server).generateRules,
	"GetConfigRulesReport":                  (*Server).getRules,
	"GetAggregateConfigRulesReport":         (*Server).getRules,
	"GenerateReportFromTemplate":            (*Server).generateLatest,
	"GetReportFromTemplate":                 (*Server).getTemplate,
	"GenerateResourceInventory":             (*Server).generateLatest,
	"GenerateAggregateResourceInventory":    (*Server).generateLatest,
	"GetResourceInventory":                  (*Server).getInventory,
	"GetAggregateResourceInventory":         (*Server).getInventory,
	"StartConfigRuleEvaluation":             (*Server).startEvaluation,
	"StartAggregateConfigRuleEvaluation":    (*Server).startEvaluation,
	"GetCompliancePack":                     (*Server).getPack,
	"GetAggregateCompliancePack":            (*Server).getPack,
	"GetConfigRule":                         (*Server).getRule,
	"GetAggregateConfigRule":                (*Server).getRule,
	"ListCompliancePacks":                   (*Server).listPacks,
	"ListAggregateCompliancePacks":          (*Server).listPacks,
	"ListAggregators":                       (*Server).listGroups,
	"ListReportTemplates":                   (*Server).listTemplates,
	"ListAccounts":                          (*Server).listAccounts,
	assumeRole:                              (*Server).assume,
}

// versions are those of calls of other APIs.
var versions = map[string]string{"ListAccounts": "2022-04-19", assumeRole: "2015-04-01"}

// request is a call that is being served.
type request struct {
	*call
	id     string // the RequestId
	now    time.Time
	signer *user // nil until the signature is checked
}

// member returns the member account whose role's keys sign the call, or "".
func (q *request) member() string {
	if q.signer == nil {
		return ""
	}
	return q.signer.account
}

// serveAPI serves an API call.
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
	f, failing := s.scripted(q).next(q.action())
	if failing && !f.After {
		s.fail(w, q, f)
		return
	}
	v, refused := actions[q.action()](s, q)
	if failing {
		s.fail(w, q, f)
		return
	}
	if refused != nil {
		s.refuse(w, q, refused)
		return
	}
	s.log(q, "request served", "")
	respond(w, q.call, http.StatusOK, q.action()+"Response", v)
}

// admit checks all that is common to all calls, and counts those with a valid
// signature.
func (s *Server) admit(q *request) *refusal {
	if q.action() == "" {
		return missing("Action")
	}
	signer := s.signer(q.call)
	if refused := signer.authenticate(q.call, q.now, &s.nonces); refused != nil {
		return refused
	}
	q.signer = signer
	if q.version() != cmp.Or(versions[q.action()], apiVersion) {
		return refuse("InvalidVersion", "Specified parameter Version is not valid.")
	}
	if actions[q.action()] == nil {
		return Failure{Code: "InvalidAction.NotFound"}.worded("Specified api is not found, please check your url and method.")
	}
	s.calls[q.action()].Add(1)
	if d, ok := s.rate.take(q.now); !ok {
		return throttled(s.opt.RatePerSecond, d)
	}
	if d, ok := s.quotas.take(q.action(), q.now); !ok {
		return overQuota(s.opt.Quotas[q.action()], d)
	}
	return nil
}

// fail responds with a failure of the script.
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

// refuse responds with an error.
func (s *Server) refuse(w http.ResponseWriter, q *request, e *refusal) {
	s.log(q, "request refused", e.Code)
	if e.Limit != "" {
		w.Header().Set(cmp.Or(e.Header, "x-ratelimit-user"), e.Limit)
	}
	respond(w, q.call, e.Status, "Error", errorResponse{
		RequestId: q.id, HostId: q.r.Host, Code: e.Code, Message: e.Message,
		Recommend: "https://api.example/troubleshoot?q=" + e.Code + "&requestId=" + q.id,
	})
}

// log logs the call. Actions and packs are logged only if they are known, because
// others are arbitrary input.
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

// subject returns the parameter with the ID of what a call is about; or, if there
// is none, that ID.
func (c *call) subject() (parameter, id string) {
	switch action := c.action(); {
	case strings.HasSuffix(action, "ConfigRulesReport"):
		return "", allRules
	case strings.HasSuffix(action, "ResourceInventory"):
		return "", inventory
	case strings.HasSuffix(action, "ConfigRule"):
		pack, _, _ := strings.Cut(c.params.Get("ConfigRuleId"), "."+rulePrefix)
		return "ConfigRuleId", pack
	case strings.HasSuffix(action, "ReportFromTemplate"):
		return "ReportTemplateId", c.params.Get("ReportTemplateId")
	}
	return "CompliancePackId", c.params.Get("CompliancePackId")
}

// named returns the pack of the call, or nil.
func (s *Server) named(q *request) *pack {
	_, id := q.subject()
	want := Pack{ID: id, Aggregator: q.group(), Member: q.member()}
	p := s.pack(want.Key())
	if p == nil || p.ID != want.ID || p.gone.Load() {
		return nil // also if the ID contains a slash
	}
	return p
}

// aggregate reports whether the call is for an account group.
func (c *call) aggregate() bool { return strings.Contains(c.action(), "Aggregate") }

// group returns the account group of the call, or "".
func (c *call) group() string {
	if !c.aggregate() {
		return ""
	}
	return c.params.Get("AggregatorId")
}

// requestID returns a request ID in the format of the gateway.
func requestID() string {
	var b [16]byte
	rand.Read(b[:]) //nolint:errcheck // cannot fail
	return fmt.Sprintf("%X-%X-%X-%X-%X", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// maxToken is the maximum length of a ClientToken.
const maxToken = 64

// find returns the pack of a call, or the error of the service.
func (s *Server) find(q *request) (*pack, *refusal) {
	if q.aggregate() {
		if q.group() == "" {
			return nil, missing("AggregatorId")
		}
		if !s.usable(q) {
			return nil, invalid("AggregatorId")
		}
	}
	parameter, id := q.subject()
	if id == "" {
		return nil, missing(parameter)
	}
	p := s.named(q)
	if p == nil {
		return nil, invalid(cmp.Or(parameter, "AggregatorId"))
	}
	return p, nil
}

// start starts generating a report for a call that takes a token.
func (s *Server) start(q *request, creating string) (*report, *refusal) {
	p, refused := s.find(q)
	if refused != nil {
		return nil, refused
	}
	token := q.params.Get("ClientToken")
	if len(token) > maxToken || !ascii(token) {
		return nil, invalid("ClientToken")
	}
	r := p.generate(token, q.now)
	if r == nil {
		return nil, refuse(creating, "The report is being created.")
	}
	return r, nil
}

// generateReport starts generating a report. As documented, a repeated token has
// the same response and starts no other report. While a report is being generated,
// other requests are refused.
func (s *Server) generateReport(q *request) (any, *refusal) {
	r, refused := s.start(q, "CompliancePackReportCreating")
	if refused != nil {
		return nil, refused
	}
	return generated{CompliancePackId: r.pack.ID, RequestId: q.id}, nil
}

// getReport returns the status of the pack's latest report, and a new link to it.
// The API has no report IDs.
func (s *Server) getReport(q *request) (any, *refusal) {
	p, refused := s.find(q)
	if refused != nil {
		return nil, refused
	}
	status, r := p.state(q.now)
	out := packReport{AccountId: p.account(), CompliancePackId: p.ID, ReportStatus: status}
	if status == statusComplete {
		out.ReportCreateTimestamp = r.created.UnixMilli()
		out.ReportUrl = s.link(q, p, r)
	}
	return got{CompliancePackReport: out, RequestId: q.id}, nil
}

func ascii(s string) bool {
	for _, c := range s {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
