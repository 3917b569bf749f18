package cloudconfig

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// kind is how the API makes reports of one kind.
type kind struct {
	named  bool // the request returns the report's ID, and that is looked up
	token  bool // a token makes the request idempotent
	shared bool // a report is the slot's whoever requested it
}

// kindOf returns the kind of reports of p.
func kindOf(p evidence.PackRef) kind {
	switch p.Kind() {
	case evidence.Rules, evidence.AggregateRules:
		return kind{named: true, token: true}
	case evidence.Template:
		return kind{shared: true}
	case evidence.Inventory, evidence.AggregateInventory:
		return kind{}
	}
	return kind{token: true, shared: true}
}

// attaches reports whether the latest report is already that of a slot, without a
// request: it was made, or making it has begun, since the slot fell due and since
// its rules were evaluated. Without a token, a report that is being generated must
// not be asked for again, whenever that began; if it was too early, Lookup says so
// once it is ready.
func (k kind) attaches(r report, due, after time.Time) bool {
	switch {
	case !k.shared:
		return false
	case r.complete():
		return !r.Began.IsZero() && !r.Began.Before(due) && !r.Began.Before(after)
	}
	return !k.token && !r.idle()
}

// isOf reports whether a report is the one that the ticket is of, by its ID. A kind
// whose reports have no ID can't say that.
func (k kind) isOf(t fetcher.Ticket, r report) bool {
	if k.named {
		return r.ID == t.ReportID
	}
	return r.ID != "" && r.ID != t.Previous
}

// answers reports whether a report that is ready can be sealed for the slot. A named
// one must be that of the ticket, and made since the slot fell due: when it was
// requested, nothing was known of the API's clock. Of the others it must be newer
// than the one before, and another one, where it has an ID.
func (k kind) answers(t fetcher.Ticket, r report) bool {
	if k.named {
		return k.isOf(t, r) && !r.Created.Before(t.Slot.Due)
	}
	return t.Fresh(r.Began) && (r.ID == "" || r.ID != t.Previous)
}

// forgets reports whether an error of a lookup may mean that the API has no such
// report (any more): it does not document what it says then.
func (k kind) forgets(err error) bool {
	e, ok := errors.AsType[*APIError](err)
	if !ok || k.token && !k.named || e.Status < 400 || e.Status >= 500 {
		return false
	}
	return e.Code != "" && classify(e.Code, e.Status) == rule{other, fault.Request}
}

// reportCall returns a call about the report of what p names.
func reportCall(verb string, p evidence.PackRef) call {
	q := call{method: http.MethodPost, pack: p, params: url.Values{}}
	group := ""
	if p.Aggregator != "" {
		group = "Aggregate"
		q.params.Set("AggregatorId", p.Aggregator)
	}
	switch p.Kind() {
	case evidence.Rules, evidence.AggregateRules:
		q.name = verb + group + "ConfigRulesReport"
	case evidence.Template:
		q.name = verb + "ReportFromTemplate"
		q.params = url.Values{"ReportTemplateId": {p.ID}}
	case evidence.Inventory, evidence.AggregateInventory:
		q.name = verb + group + "ResourceInventory"
	default:
		q.name, q.method = verb+group+"CompliancePackReport", http.MethodGet
		q.params.Set("CompliancePackId", p.ID)
	}
	return q
}

// kept selects, of the resources in an inventory, those that were not deleted.
const kept = "1"

// generateCall returns the call that requests the slot's report.
func generateCall(s evidence.Slot, attempt int) call {
	q := reportCall("Generate", s.Ref())
	q.method, q.form = http.MethodPost, true
	switch k := kindOf(s.Ref()); {
	case k.token:
		q.params.Set("ClientToken", clientToken(s, attempt))
	case k.shared:
		q.once = true
	default:
		q.once, q.form = true, false
		q.params.Set("ResourceDeleted", kept)
	}
	return q
}

// callNames returns the names of all calls.
func callNames() (names []string) {
	for _, what := range []string{"CompliancePackReport", "ConfigRulesReport", "ResourceInventory"} {
		for _, verb := range []string{"Generate", "GenerateAggregate", "Get", "GetAggregate"} {
			names = append(names, verb+what)
		}
	}
	for _, group := range []string{"", "Aggregate"} {
		names = append(names, "Start"+group+"ConfigRuleEvaluation", "Get"+group+"CompliancePack", "Get"+group+"ConfigRule")
	}
	return append(names, "GenerateReportFromTemplate", "GetReportFromTemplate", "ListReportTemplates", "ListCompliancePacks", "ListAggregateCompliancePacks", "ListAggregators", listAccounts)
}

// clientToken returns the idempotency token of a request. It depends only on slot
// and attempt, so that it is the same after a crash and on another replica.
func clientToken(s evidence.Slot, attempt int) string {
	return "packseal-" + hexSum(fmt.Appendf(nil, "%s\n%d\n%d", s.Pack, s.Due.Unix(), attempt))[:40]
}

func appendID(ids []string, id string) []string {
	if id == "" {
		return ids
	}
	return append(ids, id)
}
