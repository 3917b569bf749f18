package post

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"packseal.example/internal/fault"
	"packseal.example/notify"
)

// Encode returns v as JSON, with <, > and & as they are: escaped, each would count
// sixfold against a robot's limit.
func Encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(v) //nolint:errcheck // messages can be encoded
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Receiver is a channel to a vendor's HTTP API.
type Receiver struct {
	PerMinute int  // messages, at most
	Events    int  // of one message, at most; 0 = no bound of the vendor's
	Incidents bool // see [notify.Traits]

	// Compose returns the requests that a message takes. Sending them again must do
	// no harm: after a failure all of them are.
	Compose func(m notify.Message) ([]Request, error)
	// Result returns the error that a response means. Default: by its status.
	Result func(r Request, res Response) error
}

// Open makes the channel.
func (r Receiver) Open(env notify.Env) (notify.Channel, error) {
	if r.Result == nil {
		r.Result = Request.Status
	}
	client, err := New(env)
	return &receiver{r, client}, err
}

type receiver struct {
	Receiver
	client *Client
}

// Traits implements [notify.Channel].
func (r *receiver) Traits() notify.Traits {
	return notify.Traits{PerMinute: r.PerMinute, Events: r.Events, Incidents: r.Incidents}
}

// Send implements [notify.Channel].
func (r *receiver) Send(ctx context.Context, m notify.Message) error {
	requests, err := r.Compose(m)
	for _, req := range requests {
		if err == nil {
			err = r.post(ctx, req)
		}
	}
	return err
}

// post sends one request. A page with a status of success is by somebody else, such
// as a proxy that wants a password: no receiver answers so.
func (r *receiver) post(ctx context.Context, req Request) error {
	res, err := r.client.Send(ctx, req)
	if err != nil {
		return err
	}
	if res.Status/100 == 2 && bytes.HasPrefix(bytes.TrimSpace(res.Body), []byte("<")) {
		return fault.New(fault.Damaged, "%s: a page instead of the receiver's response: %s", req.URL.Host, req.Redact(string(res.Body))).
			WithHint("check the address, and any proxy in between")
	}
	return r.Result(req, res)
}

// JSON returns a request with v as its body.
func JSON(u *url.URL, v any) Request {
	return Request{URL: u, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, Body: Encode(v)}
}
