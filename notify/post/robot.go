package post

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/notify"
)

// Encode returns v as JSON, with <, > and & as they are: they would count
// sixfold against a robot's limit.
func Encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(v) //nolint:errcheck // what messages are made of can be encoded
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Verdict is what an error code of a robot means.
type Verdict struct {
	Reason     fault.Reason
	RetryAfter time.Duration
	Hint       string
}

// Robot is what vendors' robots differ in.
type Robot struct {
	Vendor    string
	PerMinute int         // messages, at most
	URLFile   secret.File // holds the robot's address
	AllowHTTP bool
	Verdicts  map[int]Verdict // what the vendor's codes mean; one that is not here is fault.Request

	// Compose gives the request its body, and signs it.
	Compose func(r *Request, m notify.Message) error
}

// Open makes the robot a channel.
func (r Robot) Open(env notify.Env) (notify.Channel, error) {
	client, err := New(env)
	return &robot{r, client}, err
}

type robot struct {
	Robot
	client *Client
}

// Traits implements [notify.Channel].
func (r *robot) Traits() notify.Traits { return notify.Traits{PerMinute: r.PerMinute} }

// Send implements [notify.Channel].
func (r *robot) Send(ctx context.Context, m notify.Message) error {
	u, err := Address(r.URLFile, r.AllowHTTP)
	if err != nil {
		return err
	}
	req := Request{URL: u, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}}
	if err := r.Compose(&req, m); err != nil {
		return err
	}
	body, err := r.client.Do(ctx, req)
	if err != nil {
		return err
	}
	return r.judge(req, body)
}

// judge returns what the robot's answer means. Robots answer with status 200
// also when they refuse: the code in their answer tells, 0 being success.
func (r *robot) judge(req Request, body []byte) error {
	var answer struct { // DingTalk and WeCom have the first pair, Feishu the second
		ErrCode *int   `json:"errcode"`
		ErrMsg  string `json:"errmsg"`
		Code    *int   `json:"code"`
		Msg     string `json:"msg"`
	}
	err := json.Unmarshal(body, &answer)
	code := cmp.Or(answer.ErrCode, answer.Code)
	if err != nil || code == nil {
		return fault.New(fault.Damaged, "%s: not an answer of %s's: %s", req.URL.Host, r.Vendor, req.Clean(string(body))).WithHint("look at the address in url_file")
	}
	if *code == 0 {
		return nil
	}
	v, ok := r.Verdicts[*code]
	if !ok {
		v.Reason = fault.Request
	}
	e := fault.New(v.Reason, "%s answers %d: %s", r.Vendor, *code, req.Clean(cmp.Or(answer.ErrMsg, answer.Msg))).WithHint("%s", v.Hint)
	e.RetryAfter = v.RetryAfter
	return e
}
