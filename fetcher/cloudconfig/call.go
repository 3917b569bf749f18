package cloudconfig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/trace"
)

// version is the API's.
const version = "2020-09-07"

// maxAnswer bounds an answer's body; a page of a hundred packs has some 50 KiB.
const maxAnswer = 1 << 20

// call is one call of the API, however often it is tried.
type call struct {
	name   string
	method string
	form   bool // the parameters go into the body
	params url.Values
	pack   evidence.PackRef // what it is about; no ID for lists
}

// answer is what any of the calls answers.
type answer struct {
	RequestID text    `json:"RequestId" xml:"RequestId"`
	Report    *report `json:"CompliancePackReport" xml:"CompliancePackReport"`
	Packs     *page   `json:"CompliancePacksResult" xml:"CompliancePacksResult"`

	served time.Time // the Date header, or zero
}

// decode reads an answer with status 200.
func decode(body []byte) (answer, error) {
	var a answer
	if err := unmarshal(body, &a); err != nil {
		return answer{}, err
	}
	if a.RequestID == "" && a.Report == nil && a.Packs == nil {
		return answer{}, errors.New("the answer has nothing that was asked for")
	}
	return a, nil
}

// request makes a new, signed request of the call.
func (c *Client) request(ctx context.Context, q call, k keys) (*http.Request, error) {
	u := *c.endpoint
	body := ""
	if q.form {
		body = encode(q.params)
	} else {
		u.RawQuery = encode(q.params)
	}
	r, err := http.NewRequestWithContext(ctx, q.method, u.String(), strings.NewReader(body))
	if err != nil {
		return nil, fault.New(fault.Internal, "%s: %w", q.name, err)
	}
	if q.form {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", c.userAgent)
	r.Header.Set("X-Acs-Action", q.name)
	r.Header.Set("X-Acs-Version", version)
	sign(r, []byte(body), k, time.Now().Add(time.Duration(c.skew.Load())))
	return r, nil
}

// once tries the call once and counts it. The time-out is on the whole try,
// from the connection to the last byte of the answer, so that a server which
// answers slowly for ever is cut off, too.
func (c *Client) once(ctx context.Context, q call, k keys) (a answer, err error) {
	short, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r, err := c.request(short, q, k)
	if err != nil {
		return answer{}, err
	}
	began, code := time.Now(), codeOK
	_, s := trace.Call(ctx, q.name)
	defer func() {
		c.metrics.sent(q.name, code, began)
		s.Set(trace.Code.String(code))
		s.End(err)
	}()
	res, body, err := c.exchange(r)
	switch {
	case err != nil && ctx.Err() != nil:
		code = codeCanceled
		return answer{}, ended(ctx, q.name)
	case err != nil:
		code, err = c.broken(q, k, err)
		return answer{}, err
	case res.StatusCode != http.StatusOK:
		code, err = c.refused(q, k, res, body)
		return answer{}, err
	}
	if a, err = decode(body); err != nil {
		code = codeDamaged
		return answer{}, fault.New(fault.Damaged, "%s: %w", q.name, err).WithHint("look at endpoint, and at any proxy between here and there")
	}
	a.RequestID = text(k.clean(string(a.RequestID), 80))
	a.served, _ = http.ParseTime(res.Header.Get("Date"))
	c.limit.answered()
	return a, nil
}

// errLong is a body over maxAnswer.
var errLong = fmt.Errorf("the answer is over %d bytes", maxAnswer)

// exchange sends the request and reads the whole answer.
func (c *Client) exchange(r *http.Request) (*http.Response, []byte, error) {
	res, err := c.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = errLong
	}
	return res, body, err
}

// broken classifies a call that got no answer, and returns its metric label.
func (c *Client) broken(q call, k keys, err error) (string, error) {
	if errors.Is(err, errLong) {
		return codeDamaged, fault.New(fault.Damaged, "%s: %w", q.name, err)
	}
	code := codeNetwork
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		code, err = codeTimeout, fmt.Errorf("no answer within %s", c.timeout)
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err // the whole holds the URL
	}
	return code, fault.New(fault.Unavailable, "%s: %s", q.name, k.clean(err.Error(), 300)).
		WithHint("look whether %s can be reached from here, and at any proxy", c.endpoint.Host)
}

// refused classifies an answer that is an error, and returns its metric label.
// A date that is refused teaches the source the server's clock (its Date
// header), with which the call is signed once more: reports are worth more
// than a clock that is right, but the skew is warned of and shown.
func (c *Client) refused(q call, k keys, res *http.Response, body []byte) (string, error) {
	e := apiError(q.name, res, body, k)
	known := classify(e.Code, e.Status)
	f := &fault.Error{Reason: known.reason, Err: e, Hint: q.hint(e, known.reason)}
	switch known.reason {
	case fault.Throttled:
		f.RetryAfter = timeLeft(res.Header)
		c.metrics.throttled.Inc()
	case fault.ClockSkew:
		f.Hint = "set the local clock right (NTP)"
		if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
			skew := time.Until(at).Round(time.Second)
			c.learnSkew(skew)
			f.Hint = fmt.Sprintf("the local clock is %s: set it right (NTP)", describe(skew))
		}
	}
	return known.family(), f
}

// learnSkew makes this and later calls carry the server's time, so that they
// work in spite of a clock that is off.
func (c *Client) learnSkew(skew time.Duration) {
	c.skew.Store(int64(skew))
	c.logger.Warn("the local clock is off, calls are signed with the server's time", "clock", describe(skew), "skew", skew)
}

// describe says how the local clock stands to the server's.
func describe(skew time.Duration) string {
	if skew < 0 {
		return (-skew).String() + " ahead of the server's"
	}
	return skew.String() + " behind the server's"
}

// ended is the error for a call that ctx cut off. A cause with a reason of its
// own keeps it.
func ended(ctx context.Context, what string) error {
	cause := context.Cause(ctx)
	err := fmt.Errorf("%s: %w", what, cause)
	if _, ok := errors.AsType[*fault.Error](cause); ok {
		return err
	}
	return fault.Wrap(fault.Of(ctx.Err()), err)
}
