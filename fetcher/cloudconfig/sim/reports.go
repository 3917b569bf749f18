package sim

import (
	"strconv"
)

// maxToken is the length that a ClientToken may have.
const maxToken = 64

// find returns the pack that a call is about, as the service looks for it.
func (s *Server) find(q *request) (*pack, *refusal) {
	if q.aggregate() {
		if q.group() == "" {
			return nil, missing("AggregatorId")
		}
		if !s.hasGroup(q.group()) {
			return nil, invalid("AggregatorId")
		}
	}
	if q.params.Get("CompliancePackId") == "" {
		return nil, missing("CompliancePackId")
	}
	p := s.named(q)
	if p == nil {
		return nil, invalid("CompliancePackId")
	}
	return p, nil
}

// generateReport has a report made. The token's second use is answered as the
// first one was and makes no other report, which the documents promise of it;
// while a report is in the making, any other request is refused.
func (s *Server) generateReport(q *request) (any, *refusal) {
	p, refused := s.find(q)
	if refused != nil {
		return nil, refused
	}
	token := q.params.Get("ClientToken")
	if len(token) > maxToken || !ascii(token) {
		return nil, invalid("ClientToken")
	}
	if !p.generate(token, q.now) {
		return nil, refuse("CompliancePackReportCreating", "The report of the compliance pack is being created.")
	}
	return generated{CompliancePackId: p.ID, RequestId: q.id}, nil
}

// getReport says how far the pack's report is, and signs a new link to it. There
// is no way to ask for one report by an ID: it is always the latest.
func (s *Server) getReport(q *request) (any, *refusal) {
	p, refused := s.find(q)
	if refused != nil {
		return nil, refused
	}
	status, r := p.state(q.now)
	out := packReport{AccountId: p.account(), CompliancePackId: p.ID, ReportStatus: status}
	if r != nil {
		out.ReportCreateTimestamp = r.created.UnixMilli()
		out.ReportUrl = s.link(q, p, r)
	}
	return got{CompliancePackReport: out, RequestId: q.id}, nil
}

// account is the pack's account ID, as the API writes it.
func (p *pack) account() int64 {
	id, _ := strconv.ParseInt(p.AccountID, 10, 64) // digits, by Server.add
	return id
}

func ascii(s string) bool {
	for _, c := range s {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
