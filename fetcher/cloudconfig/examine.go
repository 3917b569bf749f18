package cloudconfig

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/diag"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/ram"
)

var _ fetcher.Examiner = (*Client)(nil)

// maxSkew is the tolerated difference of the clocks. It is more than that of
// synchronized clocks, and far less than the 15 minutes at which the API rejects
// calls, because records contain the local time.
const maxSkew = time.Minute

// Examine implements [fetcher.Examiner].
func (c *Client) Examine(ctx context.Context, p evidence.PackRef) []diag.Result {
	endpoint, date, at := c.checkEndpoint(ctx)
	if endpoint.State != diag.Good {
		return []diag.Result{endpoint}
	}
	return []diag.Result{endpoint, checkClock(date, at), c.checkCredentials(ctx, p)}
}

// checkEndpoint sends an unsigned request, to which every gateway responds with an
// error. It returns the Date of the response, and the local time halfway between
// request and response.
func (c *Client) checkEndpoint(ctx context.Context) (r diag.Result, date string, at time.Time) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	q := call{name: "connecting to the API"}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint.String(), http.NoBody)
	if err != nil {
		return diag.Fail("endpoint", fault.Wrap(fault.Internal, err)), "", at
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", c.userAgent)
	start := time.Now()
	res, _, err := c.roundTrip(request)
	at = start.Add(time.Since(start) / 2)
	switch {
	case err != nil:
		_, err = c.noResponse(q, ram.Keys{}, err)
		return diag.Fail("endpoint", err), "", at
	case res.StatusCode >= 500:
		err := fault.New(fault.Unavailable, "%s responded with %d", c.endpoint.Host, res.StatusCode).WithHint("check any proxy in between")
		return diag.Fail("endpoint", err), "", at
	}
	over := "plain HTTP"
	if res.TLS != nil {
		over = tls.VersionName(res.TLS.Version)
	}
	return diag.OK("endpoint", "%s responds over %s", c.endpoint.Host, over), res.Header.Get("Date"), at
}

// checkClock compares the local clock with the Date of a response.
func checkClock(date string, local time.Time) diag.Result {
	at, err := http.ParseTime(date)
	if err != nil {
		return diag.Skip("clock", "the response has no Date to compare the local clock with")
	}
	// The date is truncated to seconds.
	skew := at.Add(time.Second / 2).Sub(local).Round(time.Second)
	if skew.Abs() > maxSkew {
		return diag.Fail("clock", fault.New(fault.ClockSkew, "the local clock is %s", describeSkew(skew)).WithHint("correct it (NTP)"))
	}
	if skew.Abs() <= time.Second {
		return diag.OK("clock", "within a second of the server's")
	}
	return diag.OK("clock", "%s", describeSkew(skew))
}

// checkCredentials makes a signed call: it looks up the pack or, if p is zero,
// lists packs. An error for another reason shows that the credentials are valid.
func (c *Client) checkCredentials(ctx context.Context, p evidence.PackRef) diag.Result {
	k, err := c.keys.Get(ctx)
	if err != nil {
		return diag.Fail("credentials", err)
	}
	var r report
	if p.ID != "" {
		r, _, err = c.get(ctx, p, "")
	} else {
		_, err = c.do(ctx, listCall("", 1))
	}
	switch fault.Of(err) {
	case "", fault.Denied, fault.NotFound:
	default:
		if !lacksID(err) && !kindOf(p).forgets(err) {
			return diag.Fail("credentials", err)
		}
	}
	account := "an unknown account"
	if r.Account != "" {
		account = "account " + sanitize(k, r.Account, 40)
	}
	return diag.OK("credentials", "access key %s from %s, of %s", k.ID.Abbreviated(), c.keys.Origin(), account)
}

// lacksID reports whether the API refused a lookup because it names no report.
func lacksID(err error) bool {
	e, ok := errors.AsType[*APIError](err)
	return ok && e.Code == "MissingReportId"
}

// ExaminePack implements [fetcher.Examiner]. The report of all rules is looked up
// without its ID, which nobody knows here; the API does not document what it says
// to that.
func (c *Client) ExaminePack(ctx context.Context, p evidence.PackRef) (diag.Result, fetcher.Link) {
	k, name, latest := kindOf(p), reportCall("Get", p).name, "there is no report yet"
	r, a, err := c.get(ctx, p, "")
	switch {
	case k.named && (lacksID(err) || k.forgets(err)):
		return diag.Skip("permission", "config:%s: unknown until a report was requested, whose ID it takes", name), fetcher.Link{}
	case k.forgets(err):
		e, _ := errors.AsType[*APIError](err)
		latest, err = latest+", as far as "+e.Code+" says so", nil
	}
	if err == nil && p.Kind() == evidence.Template && r.idle() {
		err = c.missing(ctx, p)
	}
	if err != nil {
		result := diag.Fail("permission", err)
		if result.Reason == fault.NotFound {
			result.Hint += c.suggest(ctx, p)
		}
		return result, fetcher.Link{}
	}
	switch {
	case r.complete():
		latest = "the latest report is of " + r.Created.Format(time.RFC3339)
	case !r.idle():
		latest = "a report is being generated"
	}
	result := diag.OK("permission", "config:%s; %s", name, latest)
	if !r.complete() || r.URL == "" {
		return result, fetcher.Link{}
	}
	return result, r.link(a)
}

// missing returns an error if a report template is in no list: of a template that does
// not exist, a lookup may say what it says of one without a report. If templates can't
// be listed, nothing is known.
func (c *Client) missing(ctx context.Context, p evidence.PackRef) error {
	for t, err := range c.Templates(ctx) {
		if err != nil || t.ID == p.ID {
			return nil
		}
	}
	return fault.New(fault.NotFound, "there is no report template %s", p.ID).WithHint("check its id, and whether it was deleted")
}

// suggest returns what exists, for the hint about a pack or a report template that
// does not, if the credentials permit listing that.
func (c *Client) suggest(ctx context.Context, p evidence.PackRef) string {
	what, all := "packs", c.Packs(ctx, p.Aggregator)
	switch {
	case p.Kind() == evidence.Template:
		what, all = "report templates", c.Templates(ctx)
	case !p.IsCompliancePack():
		return ""
	}
	var names []string
	for info, err := range all {
		if err != nil || len(names) == 5 {
			break
		}
		names = append(names, fmt.Sprintf("%.40q (%s)", info.ID, sanitize(ram.Keys{}, info.Name, 40)))
	}
	if len(names) == 0 {
		return ""
	}
	return "; existing " + what + ": " + strings.Join(names, ", ")
}

// ExamineEvaluation implements [fetcher.Examiner].
func (c *Client) ExamineEvaluation(ctx context.Context, p evidence.PackRef) diag.Result {
	rules, _, err := c.rulesOf(ctx, p)
	read := "config:" + packCall("Get", "CompliancePack", p).name
	if err == nil && len(rules) > 0 {
		_, _, err = c.rule(ctx, p, rules[0])
		read += " and config:" + packCall("Get", "ConfigRule", p).name
	}
	if err != nil {
		return diag.Fail("evaluation", err)
	}
	return diag.OK("evaluation", "%s; the pack has %d rules. Whether they may be evaluated (config:%s), only an evaluation shows", read, len(rules), evaluateCall(p).name)
}

// doctorAttempt is the attempt in the ClientToken of doctor. No slot has it.
const doctorAttempt = -1

// ExamineRequest implements [fetcher.Examiner]. It makes a real request: the API
// does not document whether it checks permissions before parameters.
func (c *Client) ExamineRequest(ctx context.Context, p evidence.PackRef) diag.Result {
	q := generateCall(p.Slot(time.Now()), doctorAttempt)
	_, err := c.do(ctx, q)
	if _, ok := isCreating(err); ok {
		return diag.Skip("permission", "config:%s: unknown while a report is being generated", q.name).WithHint("check again when it is ready")
	}
	if err != nil {
		return diag.Fail("permission", err)
	}
	return diag.OK("permission", "config:%s; a report is now being generated", q.name)
}
