package cloudconfig

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/diag"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

var _ fetcher.Examiner = (*Client)(nil)

// maxDrift is how far the clocks may be apart: far less than the quarter of an
// hour at which the API refuses calls, for records carry the local time, and
// more than any clock that is kept right.
const maxDrift = time.Minute

// Examine implements [fetcher.Examiner].
func (c *Client) Examine(ctx context.Context, p evidence.PackRef) []diag.Result {
	reached, date, between := c.reach(ctx)
	if reached.State != diag.Good {
		return []diag.Result{reached}
	}
	return []diag.Result{reached, drift(date, between), c.whoAmI(ctx, p)}
}

// reach sends a request that is not signed, which every gateway refuses: that
// it answers, and when, is all that counts. The date is as the answer says it,
// between is the local time half way.
func (c *Client) reach(ctx context.Context) (r diag.Result, date string, between time.Time) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	q := call{name: "reaching the API"}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint.String(), http.NoBody)
	if err != nil {
		return diag.Fail("endpoint", fault.Wrap(fault.Internal, err)), "", between
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", c.userAgent)
	began := time.Now()
	res, _, err := c.exchange(request)
	between = began.Add(time.Since(began) / 2)
	switch {
	case err != nil:
		_, err = c.broken(q, keys{}, err)
		return diag.Fail("endpoint", err), "", between
	case res.StatusCode >= 500:
		err := fault.New(fault.Unavailable, "%s answered %d", c.endpoint.Host, res.StatusCode).WithHint("look at any proxy between here and there")
		return diag.Fail("endpoint", err), "", between
	}
	over := "plain HTTP"
	if res.TLS != nil {
		over = tls.VersionName(res.TLS.Version)
	}
	return diag.OK("endpoint", "%s answers, over %s", c.endpoint.Host, over), res.Header.Get("Date"), between
}

// drift says how far the local clock is from the server's.
func drift(date string, local time.Time) diag.Result {
	at, err := http.ParseTime(date)
	if err != nil {
		return diag.Skip("clock", "the answer has no Date to hold the local clock against")
	}
	// The date is cut to whole seconds.
	skew := at.Add(time.Second / 2).Sub(local).Round(time.Second)
	if skew.Abs() > maxDrift {
		return diag.Fail("clock", fault.New(fault.ClockSkew, "the local clock is %s", describe(skew)).WithHint("set it right (NTP)"))
	}
	if skew.Abs() <= time.Second {
		return diag.OK("clock", "within a second of the server's")
	}
	return diag.OK("clock", "%s", describe(skew))
}

// whoAmI makes one signed call, about the pack or, for none, a list. What the
// API refuses for another reason than the credentials speaks for them.
func (c *Client) whoAmI(ctx context.Context, p evidence.PackRef) diag.Result {
	k, err := c.keys.get(ctx)
	if err != nil {
		return diag.Fail("credentials", err)
	}
	var r report
	if p.ID != "" {
		r, _, err = c.get(ctx, p)
	} else {
		_, err = c.do(ctx, listCall("", 1))
	}
	switch fault.Of(err) {
	case "", fault.Denied, fault.NotFound:
	default:
		return diag.Fail("credentials", err)
	}
	account := "an account that the API does not name"
	if r.Account != "" {
		account = "account " + k.clean(string(r.Account), 40)
	}
	return diag.OK("credentials", "access key %s from %s, of %s", k.id.Abbreviated(), c.keys.origin(), account)
}

// ExaminePack implements [fetcher.Examiner].
func (c *Client) ExaminePack(ctx context.Context, p evidence.PackRef) (diag.Result, fetcher.Link) {
	r, a, err := c.get(ctx, p)
	if err != nil {
		result := diag.Fail("permission", err)
		if result.Reason == fault.NotFound {
			result.Hint += c.others(ctx, p)
		}
		return result, fetcher.Link{}
	}
	stands := "no report stands there yet"
	switch {
	case r.complete():
		stands = "the report of " + r.Created.Format(time.RFC3339) + " stands there"
	case !r.idle():
		stands = "a report is being made"
	}
	result := diag.OK("permission", "config:%s; %s", reportCall("Get", p).name, stands)
	if !r.complete() || r.URL == "" {
		return result, fetcher.Link{}
	}
	return result, r.link(a)
}

// others names packs that there are, for a pack that there is not, where they
// may be listed.
func (c *Client) others(ctx context.Context, p evidence.PackRef) string {
	var names []string
	for info, err := range c.Packs(ctx, p.Aggregator) {
		if err != nil || len(names) == 5 {
			break
		}
		names = append(names, fmt.Sprintf("%.40q (%s)", info.ID, keys{}.clean(info.Name, 40)))
	}
	if len(names) == 0 {
		return ""
	}
	return "; among those that there are: " + strings.Join(names, ", ")
}

// doctorAttempt is the attempt in a doctor's ClientToken, which no slot has.
const doctorAttempt = -1

// ExamineRequest implements [fetcher.Examiner]. Whether a call that would be
// refused for a parameter is refused for lack of permission first is not
// documented, so only a real one tells.
func (c *Client) ExamineRequest(ctx context.Context, p evidence.PackRef) diag.Result {
	q := generateCall(p.Slot(time.Now()), doctorAttempt)
	_, err := c.do(ctx, q)
	if _, ok := creating(err); ok {
		return diag.Skip("permission", "config:%s: a report is being made already, and that answer does not tell", q.name).WithHint("ask again when it is done")
	}
	if err != nil {
		return diag.Fail("permission", err)
	}
	return diag.OK("permission", "config:%s; a report is being made now", q.name)
}
