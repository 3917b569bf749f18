package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rulePrefix begins the number of a rule within its pack: rules have the IDs
// <pack>.cr-0, <pack>.cr-1 and so on.
const rulePrefix = "cr-"

// startEvaluation starts an evaluation of the pack's rules. It has no ID.
func (s *Server) startEvaluation(q *request) (any, *refusal) {
	p, refused := s.find(q)
	if refused != nil {
		return nil, refused
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, q.now)
	return evaluationStarted{RequestId: q.id, Result: true}, nil
}

// Evaluations returns how many evaluations of the pack's rules were requested.
func (s *Server) Evaluations(key string) int {
	p := s.pack(key)
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked)
}

// getPack returns the pack with its rules.
func (s *Server) getPack(q *request) (any, *refusal) {
	p, refused := s.find(q)
	if refused != nil {
		return nil, refused
	}
	out := packDetail{CompliancePackId: p.ID, CompliancePackName: p.Name, Status: p.Status}
	for i := range p.Script.Rules {
		out.ConfigRules = append(out.ConfigRules, packRule{ConfigRuleId: p.rule(i), ConfigRuleName: rules[i%len(rules)].name, RiskLevel: 1})
	}
	return gotPack{CompliancePack: out, RequestId: q.id}, nil
}

// rule returns the ID of the pack's i-th rule.
func (p *pack) rule(i int) string { return fmt.Sprintf("%s.%s%d", p.ID, rulePrefix, i) }

// getRule returns a rule, and when it was evaluated last: as of the pack's day before,
// until an evaluation that was requested has ended. Rules are evaluated in order, in
// the same time each.
func (s *Server) getRule(q *request) (any, *refusal) {
	p, refused := s.find(q)
	if refused != nil {
		return nil, refused
	}
	id := q.params.Get("ConfigRuleId")
	i, err := strconv.Atoi(strings.TrimPrefix(id, p.ID+"."+rulePrefix))
	if err != nil || i < 0 || i >= p.Script.Rules || p.rule(i) != id {
		return nil, invalid("ConfigRuleId")
	}
	return gotRule{ConfigRule: p.ruleState(i, q.now), RequestId: q.id}, nil
}

// ruleState returns the state of the i-th rule.
func (p *pack) ruleState(i int, now time.Time) ruleDetail {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := ruleDetail{ConfigRuleId: p.rule(i), ConfigRuleState: "ACTIVE"}
	last := &r.ConfigRuleEvaluationStatus
	last.LastSuccessfulEvaluationTimestamp = now.Add(-24 * time.Hour).UnixMilli()
	stuck, inactive, broken := i < p.Script.Stuck, i < p.Script.Stuck+p.Script.Inactive, i < p.Script.Stuck+p.Script.Inactive+p.Script.Broken
	if !stuck && inactive {
		r.ConfigRuleState = "INACTIVE"
	}
	if inactive || len(p.asked) == 0 {
		return r
	}
	takes := time.Duration(i+1) * p.Script.Evaluate
	for _, asked := range slices.Backward(p.asked) {
		end := asked.Add(takes)
		switch {
		case now.Before(end):
			r.ConfigRuleState = "EVALUATING"
			continue
		case broken:
			last.LastFailedEvaluationTimestamp = end.UnixMilli()
		default:
			last.LastSuccessfulEvaluationTimestamp = end.UnixMilli()
		}
		break
	}
	return r
}
