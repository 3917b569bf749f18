package cloudconfig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

var _ fetcher.Evaluator = (*Client)(nil)

// pack is a compliance pack in a response.
type pack struct {
	Rules []configRule `json:"ConfigRules" xml:"ConfigRules"`
}

// configRule is a rule in a response. In that of a pack it has the ID alone.
type configRule struct {
	ID         text `json:"ConfigRuleId" xml:"ConfigRuleId"`
	State      text `json:"ConfigRuleState" xml:"ConfigRuleState"` // ACTIVE, EVALUATING, INACTIVE, …
	Evaluation struct {
		Succeeded millis `json:"LastSuccessfulEvaluationTimestamp" xml:"LastSuccessfulEvaluationTimestamp"` // when the last one ended
		Failed    millis `json:"LastFailedEvaluationTimestamp" xml:"LastFailedEvaluationTimestamp"`
	} `json:"ConfigRuleEvaluationStatus" xml:"ConfigRuleEvaluationStatus"`
}

// outcome is what became of a rule's evaluation.
type outcome int

const (
	pending   outcome = iota
	succeeded         // it was evaluated
	ended             // it failed, or will not be evaluated
)

// since returns what became of the evaluation that was requested at that time, by the
// API's clock.
func (r configRule) since(began time.Time) outcome {
	switch {
	case strings.EqualFold(string(r.State), "EVALUATING"):
		return pending
	case r.Evaluation.Succeeded.After(began):
		return succeeded
	case r.Evaluation.Failed.After(began), strings.EqualFold(string(r.State), "INACTIVE"):
		return ended
	}
	return pending
}

// between is between two looks at the rules that are being evaluated, which takes
// minutes, and a call for each rule.
var between = fault.Backoff{Base: 15 * time.Second, Max: 2 * time.Minute}

// Evaluate implements [fetcher.Evaluator]. The API gives an evaluation no ID: one has
// ended for a rule when that says so and the end is after the request, by the API's
// clock. A rule that can't be looked at is looked at again, and counts as not
// evaluated if that goes on.
func (c *Client) Evaluate(ctx context.Context, s evidence.Slot, e fetcher.Evaluation, save func(fetcher.Evaluation) error) (fetcher.Evaluation, error) {
	rules, served, err := c.rulesOf(ctx, s.Ref())
	if err != nil {
		return e, fmt.Errorf("reading the rules of the pack: %w", err)
	}
	e.Of = len(rules)
	if e.Began.IsZero() {
		if e, err = c.startEvaluation(ctx, s.Ref(), served, e, save); err != nil {
			return e, err
		}
	}
	var looking error
	e.Rules = 0
	for try := 0; len(rules) > 0; try++ {
		if !fault.Sleep(ctx, between.Wait(try, nil)) {
			return e, cmp.Or(looking, fault.Ended(ctx, "waiting for the evaluation"))
		}
		looking = nil
		rules = slices.DeleteFunc(rules, func(id string) bool {
			r, at, err := c.rule(ctx, s.Ref(), id)
			if err != nil {
				looking = cmp.Or(looking, err)
				return false
			}
			e.Until = at
			became := r.since(e.Began)
			if became == succeeded {
				e.Rules++
			}
			return became != pending
		})
		if looking != nil && !fault.Transient(looking) {
			return e, fmt.Errorf("looking at the rules: %w", looking)
		}
	}
	return e, nil
}

// startEvaluation requests the evaluation. Its beginning is the time of the response
// or, if that is lost, of the one before: served.
func (c *Client) startEvaluation(ctx context.Context, p evidence.PackRef, served time.Time, e fetcher.Evaluation, save func(fetcher.Evaluation) error) (fetcher.Evaluation, error) {
	e.Began = served
	if served.IsZero() {
		e.Began = time.Now().UTC()
	}
	e.Until = e.Began
	if err := save(e); err != nil {
		return e, err
	}
	a, err := c.do(ctx, evaluateCall(p))
	_, lost := errors.AsType[*lostAnswer](err)
	switch {
	case lost:
		return e, nil
	case err == nil && strings.EqualFold(string(a.Result), "false"):
		err = fault.New(fault.Unavailable, "the API did not start the evaluation (request %s)", a.RequestID)
	case err == nil && !a.served.IsZero():
		e.Began, e.Until = a.served, a.served
		return e, save(e)
	}
	if err != nil {
		e.Began, e.Until = time.Time{}, time.Time{} // there is none
		return e, fmt.Errorf("requesting the evaluation: %w", err)
	}
	return e, nil
}

// rulesOf returns the IDs of a pack's rules, each once, and the time of the response,
// by the API's clock.
func (c *Client) rulesOf(ctx context.Context, p evidence.PackRef) (ids []string, at time.Time, err error) {
	a, err := c.do(ctx, packCall("Get", "CompliancePack", p))
	if err != nil {
		return nil, at, err
	}
	if a.Pack != nil {
		for _, r := range a.Pack.Rules {
			if r.ID != "" && !slices.Contains(ids, string(r.ID)) {
				ids = append(ids, string(r.ID))
			}
		}
	}
	return ids, a.served, nil
}

// rule returns a rule, and the time of the response.
func (c *Client) rule(ctx context.Context, p evidence.PackRef, id string) (configRule, time.Time, error) {
	q := packCall("Get", "ConfigRule", p)
	q.params.Del("CompliancePackId")
	q.params.Set("ConfigRuleId", id)
	a, err := c.do(ctx, q)
	if err != nil || a.Rule == nil {
		return configRule{}, a.served, err
	}
	return *a.Rule, a.served, nil
}

// evaluateCall returns the call that has the rules of a pack evaluated.
func evaluateCall(p evidence.PackRef) call {
	q := packCall("Start", "ConfigRuleEvaluation", p)
	q.once = true
	return q
}

// packCall returns a call about a pack, as a POST with a query.
func packCall(verb, what string, p evidence.PackRef) call {
	q := call{name: verb + what, method: http.MethodPost, pack: p, params: url.Values{"CompliancePackId": {p.ID}}}
	if p.Aggregator != "" {
		q.name = verb + "Aggregate" + what
		q.params.Set("AggregatorId", p.Aggregator)
	}
	return q
}
