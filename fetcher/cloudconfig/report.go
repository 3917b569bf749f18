package cloudconfig

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// report is the latest report of a pack. The API keeps only one, without an ID.
type report struct {
	Account text   `json:"AccountId" xml:"AccountId"`
	Pack    text   `json:"CompliancePackId" xml:"CompliancePackId"`
	Created millis `json:"ReportCreateTimestamp" xml:"ReportCreateTimestamp"`
	Status  text   `json:"ReportStatus" xml:"ReportStatus"`
	URL     text   `json:"ReportUrl" xml:"ReportUrl"`
}

// complete reports whether the report is ready.
func (r report) complete() bool {
	switch strings.ToUpper(string(r.Status)) {
	case "COMPLETE", "COMPLETED": // both are documented
		return true
	}
	return false
}

// idle reports whether there is no report and none is being generated. An unknown
// status counts as being generated.
func (r report) idle() bool {
	switch strings.ToUpper(string(r.Status)) {
	case "", "NONE", "FAILED", "TIMEOUT":
		return true
	}
	return false
}

// Generate implements [fetcher.Source]. It looks up the latest report (the
// baseline) and requests another, unless that one was created since the slot fell
// due: then it is the slot's, whoever requested it, such as this program before a
// restart. It requests none before the slot is due by the API's clock, whatever
// the clocks of replicas say.
func (c *Client) Generate(ctx context.Context, s evidence.Slot, attempt int) (fetcher.Ticket, error) {
	t := fetcher.Ticket{Slot: s, Attempt: attempt, Requested: time.Now().UTC()}
	base, a, err := c.get(ctx, s.Ref())
	if err != nil {
		return t, fmt.Errorf("looking up the previous report: %w", err)
	}
	t.RequestIDs = appendID(t.RequestIDs, string(a.RequestID))
	if base.complete() && !base.Created.IsZero() && !base.Created.Before(s.Due) {
		t.Attached = true
		return t, nil
	}
	if err := awaitDue(ctx, s.Due, a.served); err != nil {
		return t, err
	}
	t.Baseline = base.Created.Time
	a, err = c.do(ctx, generateCall(s, attempt))
	if e, ok := isCreating(err); ok {
		// A report that is being generated may already have its creation
		// time, which must not be the baseline.
		t.Attached, a.RequestID, err = true, text(e.RequestID), nil
		if !base.complete() {
			t.Baseline = time.Time{}
		}
	}
	t.RequestIDs = appendID(t.RequestIDs, string(a.RequestID))
	return t, err
}

// maxEarly is the longest time that awaitDue waits. It is more than the difference
// of synchronized clocks.
const maxEarly = 10 * time.Second

// awaitDue waits until the slot is due by the API's clock. If that takes too long,
// it returns an error with RetryAfter. It does nothing if served is zero.
func awaitDue(ctx context.Context, due, served time.Time) error {
	left := due.Sub(served)
	switch {
	case served.IsZero() || left <= 0:
		return nil
	case left > maxEarly:
		return &fault.Error{
			Reason: fault.NotReady, RetryAfter: left, Hint: "synchronize the clocks of all replicas (NTP)",
			Err: fmt.Errorf("by the API's clock, the slot is not due for %s", left.Round(time.Second)),
		}
	case !fault.Sleep(ctx, left):
		return fmt.Errorf("waiting until the slot is due: %w", context.Cause(ctx))
	}
	return nil
}

// isCreating reports whether err says that a report is already being generated.
func isCreating(err error) (*APIError, bool) {
	e, ok := errors.AsType[*APIError](err)
	return e, ok && strings.HasSuffix(e.Code, "ReportCreating")
}

// Lookup implements [fetcher.Source].
func (c *Client) Lookup(ctx context.Context, t fetcher.Ticket) (fetcher.Link, error) {
	r, a, err := c.get(ctx, t.Slot.Ref())
	if err != nil {
		return fetcher.Link{}, err
	}
	created := r.Created.Format(time.RFC3339)
	switch key := t.Slot.Pack; {
	case r.idle():
		return fetcher.Link{}, fault.Wrap(fault.NotReady, staleError(key+" has no report, and none is being generated"))
	case !r.complete():
		return fetcher.Link{}, fault.New(fault.NotReady, "the report of %s is being generated", key)
	case !t.Fresh(r.Created.Time):
		return fetcher.Link{}, fault.Wrap(fault.NotReady, staleError("the latest report of "+key+" is of "+created))
	case r.URL == "":
		return fetcher.Link{}, fault.New(fault.NotReady, "the report of %s is ready, but has no link yet", key)
	}
	return r.link(a), nil
}

// link returns the link to the report in the response.
func (r report) link(a response) fetcher.Link {
	return fetcher.Link{
		URL: fetcher.SecretURL(r.URL), Created: r.Created.Time, Account: keys{}.sanitize(string(r.Account), 80),
		Served: a.served, RequestID: string(a.RequestID),
	}
}

// staleError is an [fetcher.ErrStale] with a message of its own.
type staleError string

// Error implements error.
func (e staleError) Error() string { return string(e) }

// Is reports whether target is [fetcher.ErrStale].
func (e staleError) Is(target error) bool { return target == fetcher.ErrStale }

// get returns the pack's latest report, or the zero report if there is none.
func (c *Client) get(ctx context.Context, p evidence.PackRef) (report, response, error) {
	q := reportCall("Get", p)
	a, err := c.do(ctx, q)
	if err != nil || a.Report == nil {
		return report{}, a, err
	}
	if got := string(a.Report.Pack); got != "" && got != p.ID {
		return report{}, a, fault.New(fault.Damaged, "%s: requested %s, but the response is about %.40q", q.name, p.ID, got)
	}
	return *a.Report, a, nil
}

// reportCall returns a call for the pack's report, by default a GET with a query.
func reportCall(verb string, p evidence.PackRef) call {
	q := call{name: verb + "CompliancePackReport", method: http.MethodGet, pack: p, params: url.Values{"CompliancePackId": {p.ID}}}
	if p.Aggregator != "" {
		q.name = verb + "AggregateCompliancePackReport"
		q.params.Set("AggregatorId", p.Aggregator)
	}
	return q
}

// generateCall returns the call that requests the slot's report.
func generateCall(s evidence.Slot, attempt int) call {
	q := reportCall("Generate", s.Ref())
	q.method, q.form = http.MethodPost, true
	q.params.Set("ClientToken", clientToken(s, attempt))
	return q
}

// callNames returns the names of all calls.
func callNames() []string {
	return []string{
		"GenerateCompliancePackReport", "GetCompliancePackReport", "ListCompliancePacks",
		"GenerateAggregateCompliancePackReport", "GetAggregateCompliancePackReport", "ListAggregateCompliancePacks",
		"ListAggregators",
	}
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
