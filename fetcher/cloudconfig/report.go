package cloudconfig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/ram"
)

// report is a report as the API describes it, of any kind.
type report struct {
	ID      string    // "crp-…" or "crtr-…"; reports of other kinds have none
	Account string    // the account's ID, or empty
	Pack    string    // the compliance pack or the report template, or empty
	Began   time.Time // when making it began; of kinds with one time, that one
	Created time.Time // when it was ready; likewise
	Status  string
	URL     string
}

// complete reports whether the report is ready.
func (r report) complete() bool {
	switch strings.ToUpper(r.Status) {
	case "COMPLETE", "COMPLETED": // both are documented
		return true
	}
	return false
}

// failed reports whether making the report ended without one.
func (r report) failed() bool {
	switch strings.ToUpper(r.Status) {
	case "FAILED", "TIMEOUT":
		return true
	}
	return false
}

// idle reports whether there is no report and none is being generated. An unknown
// status counts as being generated.
func (r report) idle() bool {
	return r.Status == "" || strings.EqualFold(r.Status, "NONE") || r.failed()
}

// Generate implements [fetcher.Source]. What a request is depends on the kind of
// report:
//
//   - The report of all rules has an ID, which the API returns. It is asked for
//     with a token.
//   - The others have one place for the latest report. That is looked up first (the
//     baseline), and no other is requested if it was made since the slot fell due:
//     then it is the slot's, whoever requested it, such as this program before a
//     restart. But not an inventory, which others may have limited to some
//     resources: the API does not tell.
//
// It requests none before the slot is due by the API's clock, whatever the clocks
// of replicas say. That of all rules, before which nothing is known of this clock,
// is requested again later if it was made too early.
func (c *Client) Generate(ctx context.Context, o fetcher.Order) (fetcher.Ticket, error) {
	t := fetcher.Ticket{Slot: o.Slot, Attempt: o.Attempt, After: o.After, Requested: time.Now().UTC()}
	k := kindOf(o.Slot.Ref())
	if k.named {
		return c.generateNamed(ctx, o, t)
	}
	base, a, err := c.baseline(ctx, k, o.Slot)
	if err != nil {
		return t, fmt.Errorf("looking up the previous report: %w", err)
	}
	t.RequestIDs = appendID(t.RequestIDs, string(a.RequestID))
	if k.attaches(base, o.Slot.Due, o.After) {
		t.Attached = true
		return t, nil
	}
	if err := awaitDue(ctx, o.Slot.Due, a.served); err != nil {
		return t, err
	}
	t.Baseline, t.Previous = base.Began, base.ID
	if !k.token && o.Sending != nil {
		if err := o.Sending(t); err != nil {
			return t, err
		}
	}
	a, err = c.do(ctx, generateCall(o.Slot, o.Attempt))
	if _, lost := errors.AsType[*lostAnswer](err); lost {
		c.logger.WarnContext(ctx, "answer lost", "pack", o.Slot.Pack, "due", o.Slot.Due, "reason", fault.Of(err), "err", err)
		return t, nil // Lookup will tell whether a report is made
	}
	if e, ok := isCreating(err); ok {
		// A report that is being generated may already have its creation
		// time, which must not be the baseline.
		t.Attached, a.RequestID, err = true, text(e.RequestID), nil
		if !base.complete() {
			t.Baseline, t.Previous = time.Time{}, ""
		}
	}
	t.RequestIDs = appendID(t.RequestIDs, string(a.RequestID))
	return t, err
}

// waiting is between two questions whether a report of somebody else is ready.
var waiting = fault.Backoff{Base: 5 * time.Second, Max: 30 * time.Second}

// generateNamed requests a report whose ID the API returns. While it makes one of
// somebody else, whose ID it does not tell, it is asked again.
func (c *Client) generateNamed(ctx context.Context, o fetcher.Order, t fetcher.Ticket) (fetcher.Ticket, error) {
	q := generateCall(o.Slot, o.Attempt)
	for try := 0; ; try++ {
		a, err := c.do(ctx, q)
		_, creating := isCreating(err)
		switch {
		case creating && fault.Sleep(ctx, waiting.Wait(try, nil)):
			continue
		case err != nil:
			return t, err
		case a.ReportID == "":
			return t, fault.New(fault.Damaged, "%s: the response names no report", q.name)
		}
		t.ReportID, t.RequestIDs = sanitize(ram.Keys{}, string(a.ReportID), maxID), appendID(t.RequestIDs, string(a.RequestID))
		return t, nil
	}
}

// baseline returns the latest report before a request. It waits while one is being
// generated that the slot must not have.
func (c *Client) baseline(ctx context.Context, k kind, s evidence.Slot) (report, response, error) {
	for try := 0; ; try++ {
		r, a, err := c.get(ctx, s.Ref(), "")
		if err == nil && !k.shared && !r.idle() && !r.complete() && fault.Sleep(ctx, waiting.Wait(try, nil)) {
			continue
		}
		if err != nil && k.forgets(err) {
			err = nil // there was never one
		}
		return r, a, err
	}
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
	k, key := kindOf(t.Slot.Ref()), t.Slot.Pack
	r, a, err := c.get(ctx, t.Slot.Ref(), t.ReportID)
	notReady := func(format string, args ...any) (fetcher.Link, error) {
		return fetcher.Link{}, fault.New(fault.NotReady, format, args...)
	}
	stale := func(format string, args ...any) (fetcher.Link, error) {
		return fetcher.Link{}, fault.Wrap(fault.NotReady, staleError(fmt.Sprintf(format, args...)))
	}
	switch {
	case err != nil && k.forgets(err):
		return stale("the API knows no such report of %s: %s", key, err)
	case err != nil:
		return fetcher.Link{}, err
	case r.failed() && k.isOf(t, r):
		e := fault.New(fault.Unavailable, "%w: the report of %s ended as %s", fetcher.ErrFailed, key, strings.ToUpper(r.Status))
		return fetcher.Link{}, e.WithHint("see in the Config console why; it is requested again a few times")
	case r.idle():
		return stale("%s has no report, and none is being generated", key)
	case k.named && r.ID != t.ReportID:
		return stale("asked about report %s of %s, the API answers about %.40q", t.ReportID, key, r.ID)
	case !r.complete():
		return notReady("the report of %s is being generated", key)
	case !k.answers(t, r):
		return stale("the latest report of %s is of %s", key, r.Created.Format(time.RFC3339))
	case r.URL == "":
		return notReady("the report of %s is ready, but has no link yet", key)
	}
	return r.link(a), nil
}

// link returns the link to the report in the response.
func (r report) link(a response) fetcher.Link {
	return fetcher.Link{
		URL: fetcher.SecretURL(r.URL), Created: r.Created, Account: sanitize(ram.Keys{}, r.Account, 80),
		Served: a.served, RequestID: string(a.RequestID), ReportID: sanitize(ram.Keys{}, r.ID, maxID),
	}
}

// maxID bounds a report's ID, in bytes.
const maxID = 80

// staleError is an [fetcher.ErrStale] with a message of its own.
type staleError string

// Error implements error.
func (e staleError) Error() string { return string(e) }

// Is reports whether target is [fetcher.ErrStale].
func (e staleError) Is(target error) bool { return target == fetcher.ErrStale }

// get returns the latest report of what p names, or the one with that ID where the
// kind has IDs; the zero report if there is none.
func (c *Client) get(ctx context.Context, p evidence.PackRef, id string) (report, response, error) {
	q := reportCall("Get", p)
	if id != "" {
		q.params.Set("ReportId", id)
	}
	a, err := c.do(ctx, q)
	if err != nil || a.report() == nil {
		return report{}, a, err
	}
	r := a.report().decoded()
	if r.Pack != "" && r.Pack != p.ID && (q.params.Has("CompliancePackId") || q.params.Has("ReportTemplateId")) {
		return report{}, a, fault.New(fault.Damaged, "%s: requested %s, but the response is about %.40q", q.name, p.ID, r.Pack)
	}
	return r, a, nil
}

// reportBody is a report in a response, with the fields of all kinds.
type reportBody struct {
	Account    text   `json:"AccountId" xml:"AccountId"`
	Pack       text   `json:"CompliancePackId" xml:"CompliancePackId"`
	Template   text   `json:"ReportTemplateId" xml:"ReportTemplateId"`
	RulesID    text   `json:"ReportId" xml:"ReportId"`
	TemplateID text   `json:"TemplateReportId" xml:"TemplateReportId"`
	Created    millis `json:"ReportCreateTimestamp" xml:"ReportCreateTimestamp"`
	Began      millis `json:"ReportCreateStartTimestamp" xml:"ReportCreateStartTimestamp"`
	Ended      millis `json:"ReportCreateEndTimestamp" xml:"ReportCreateEndTimestamp"`
	Listed     millis `json:"ResourceInventoryGenerateTime" xml:"ResourceInventoryGenerateTime"`
	Report     text   `json:"ReportStatus" xml:"ReportStatus"`
	Status     text   `json:"Status" xml:"Status"`
	URL        text   `json:"ReportUrl" xml:"ReportUrl"`
	Download   text   `json:"DownloadUrl" xml:"DownloadUrl"`
}

// decoded returns the report: of the fields that kinds have under different names,
// those that are there.
func (b reportBody) decoded() report {
	first := func(times ...millis) time.Time {
		for _, t := range times {
			if !t.IsZero() {
				return t.Time
			}
		}
		return time.Time{}
	}
	return report{
		ID: string(cmp.Or(b.RulesID, b.TemplateID)), Account: string(b.Account), Pack: string(cmp.Or(b.Pack, b.Template)),
		Began: first(b.Began, b.Created, b.Listed, b.Ended), Created: first(b.Ended, b.Created, b.Listed, b.Began),
		Status: string(cmp.Or(b.Report, b.Status)), URL: string(cmp.Or(b.URL, b.Download)),
	}
}
