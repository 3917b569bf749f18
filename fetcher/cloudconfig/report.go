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

// report is the latest report of a pack: it has one slot and no ID.
type report struct {
	Account text   `json:"AccountId" xml:"AccountId"`
	Pack    text   `json:"CompliancePackId" xml:"CompliancePackId"`
	Created millis `json:"ReportCreateTimestamp" xml:"ReportCreateTimestamp"`
	Status  text   `json:"ReportStatus" xml:"ReportStatus"`
	URL     text   `json:"ReportUrl" xml:"ReportUrl"`
}

// complete reports whether there is a finished report.
func (r report) complete() bool {
	switch strings.ToUpper(string(r.Status)) {
	case "COMPLETE", "COMPLETED": // the documents spell it both ways
		return true
	}
	return false
}

// idle reports whether neither a report is there nor one is being made.
// Words that are not known mean that there is something to wait for.
func (r report) idle() bool {
	switch strings.ToUpper(string(r.Status)) {
	case "", "NONE", "FAILED", "TIMEOUT":
		return true
	}
	return false
}

// Generate implements [fetcher.Source]. It looks at the report that stands
// there (the baseline) and asks for another, unless that one was made since
// the slot fell due: then it is the slot's, whoever asked for it, perhaps this
// program before it was stopped. It asks for none before the slot falls due by
// the API's clock, whatever that of this replica says, or of the one that was
// the first to have the slot.
func (c *Client) Generate(ctx context.Context, s evidence.Slot, attempt int) (fetcher.Ticket, error) {
	t := fetcher.Ticket{Slot: s, Attempt: attempt, Requested: time.Now().UTC()}
	base, a, err := c.get(ctx, s.Ref())
	if err != nil {
		return t, fmt.Errorf("looking at the report before: %w", err)
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
	if e, ok := creating(err); ok {
		// A report in the making may show its time already. Attached to, it
		// must be newer than the due time, and that is enough.
		t.Attached, a.RequestID, err = true, text(e.RequestID), nil
		if !base.complete() {
			t.Baseline = time.Time{}
		}
	}
	t.RequestIDs = appendID(t.RequestIDs, string(a.RequestID))
	return t, err
}

// shortly is what is waited for on the spot: clocks that are kept right differ
// by less, and an answer's date has whole seconds only.
const shortly = 10 * time.Second

// awaitDue waits until the slot is due by the API's clock, or fails with how
// long that takes. An answer without a date is of no help there.
func awaitDue(ctx context.Context, due, served time.Time) error {
	left := due.Sub(served)
	switch {
	case served.IsZero() || left <= 0:
		return nil
	case left > shortly:
		return &fault.Error{
			Reason: fault.NotReady, RetryAfter: left, Hint: "set the clocks of all replicas right (NTP)",
			Err: fmt.Errorf("by the API's clock, the slot falls due in %s only", left.Round(time.Second)),
		}
	case !fault.Sleep(ctx, left):
		return fmt.Errorf("waiting until the slot is due: %w", context.Cause(ctx))
	}
	return nil
}

// creating reports whether the API refused because a report is in the making.
func creating(err error) (*APIError, bool) {
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
		return fetcher.Link{}, fault.Wrap(fault.NotReady, staleError(key+" has no report, and none is being made"))
	case !r.complete():
		return fetcher.Link{}, fault.New(fault.NotReady, "the report of %s is being made", key)
	case !t.Fresh(r.Created.Time):
		return fetcher.Link{}, fault.Wrap(fault.NotReady, staleError("the report of "+key+" is that of "+created))
	case r.URL == "":
		return fetcher.Link{}, fault.New(fault.NotReady, "the report of %s is made, but has no link yet", key)
	}
	return r.link(a), nil
}

// link is the answer's link to the report.
func (r report) link(a answer) fetcher.Link {
	return fetcher.Link{
		URL: fetcher.SecretURL(r.URL), Created: r.Created.Time, Account: keys{}.clean(string(r.Account), 80),
		Served: a.served, RequestID: string(a.RequestID),
	}
}

// staleError is an error that is [fetcher.ErrStale], in other words.
type staleError string

// Error says what stands there instead of the report.
func (e staleError) Error() string { return string(e) }

// Is makes the error one of the [fetcher.ErrStale] kind, whose own text would
// say less.
func (e staleError) Is(target error) bool { return target == fetcher.ErrStale }

// get returns the pack's report; one that the answer leaves out is no report.
func (c *Client) get(ctx context.Context, p evidence.PackRef) (report, answer, error) {
	q := reportCall("Get", p)
	a, err := c.do(ctx, q)
	if err != nil || a.Report == nil {
		return report{}, a, err
	}
	if got := string(a.Report.Pack); got != "" && got != p.ID {
		return report{}, a, fault.New(fault.Damaged, "%s: asked for %s, the answer is about %.40q", q.name, p.ID, got)
	}
	return *a.Report, a, nil
}

// reportCall makes the call about a pack's report: a GET with a query, unless
// it is made otherwise.
func reportCall(verb string, p evidence.PackRef) call {
	q := call{name: verb + "CompliancePackReport", method: http.MethodGet, pack: p, params: url.Values{"CompliancePackId": {p.ID}}}
	if p.Aggregator != "" {
		q.name = verb + "AggregateCompliancePackReport"
		q.params.Set("AggregatorId", p.Aggregator)
	}
	return q
}

// generateCall asks for the slot's report.
func generateCall(s evidence.Slot, attempt int) call {
	q := reportCall("Generate", s.Ref())
	q.method, q.form = http.MethodPost, true
	q.params.Set("ClientToken", clientToken(s, attempt))
	return q
}

// callNames are all calls that the client makes.
func callNames() []string {
	return []string{
		"GenerateCompliancePackReport", "GetCompliancePackReport", "ListCompliancePacks",
		"GenerateAggregateCompliancePackReport", "GetAggregateCompliancePackReport", "ListAggregateCompliancePacks",
	}
}

// clientToken follows from what is asked alone, so that a repetition after a
// crash, or by another replica, is recognized as the same request.
func clientToken(s evidence.Slot, attempt int) string {
	return "packseal-" + hexSum(fmt.Appendf(nil, "%s\n%d\n%d", s.Pack, s.Due.Unix(), attempt))[:40]
}

func appendID(ids []string, id string) []string {
	if id == "" {
		return ids
	}
	return append(ids, id)
}
