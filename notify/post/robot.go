package post

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
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

// Sign returns the HMAC-SHA256 of text under key, in base64.
func Sign(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Code is the meaning of a vendor's error code.
type Code struct {
	Reason     fault.Reason
	RetryAfter time.Duration
	Hint       string
}

// Robot is a vendor's kind of robot: a webhook that takes JSON and answers with
// an error code.
type Robot struct {
	Vendor     string
	PerMinute  int         // messages, at most
	URLFile    secret.File // holds the robot's address
	SecretFile secret.File // holds its signing secret; empty = messages are not signed
	AllowHTTP  bool
	Codes      map[int]Code // a code that is not here is fault.Request

	// Compose sets the request's body and, unless key is empty, signs it.
	Compose func(r *Request, m notify.Message, key secret.Value)
}

// Check returns what is wrong with the robot's files, as [notify.Opener] does.
func (r Robot) Check() []fault.Problem {
	return append(Check("url_file", r.URLFile, r.AllowHTTP), r.SecretFile.Check("secret_file")...)
}

// Open makes the robot's channel.
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
	var key secret.Value
	if r.SecretFile != "" {
		if key, err = r.SecretFile.Read(); err != nil {
			return err
		}
		req.Secrets = []string{key.Reveal()}
	}
	r.Compose(&req, m, key)
	body, err := r.client.Do(ctx, req)
	if err != nil {
		return err
	}
	return r.result(req, body)
}

// result returns the error that a response means. Robots answer with status 200
// even when they refuse a message; the code in the body decides, 0 being success.
func (r *robot) result(req Request, body []byte) error {
	var response struct { // DingTalk and WeCom have the first pair, Feishu the second
		ErrCode *int   `json:"errcode"`
		ErrMsg  string `json:"errmsg"`
		Code    *int   `json:"code"`
		Msg     string `json:"msg"`
	}
	err := json.Unmarshal(body, &response)
	code := cmp.Or(response.ErrCode, response.Code)
	if err != nil || code == nil {
		return fault.New(fault.Damaged, "%s: not a response of %s: %s", req.URL.Host, r.Vendor, req.Redact(string(body))).WithHint("check the address in url_file")
	}
	if *code == 0 {
		return nil
	}
	c, ok := r.Codes[*code]
	if !ok {
		c.Reason = fault.Request
	}
	e := fault.New(c.Reason, "%s returned error %d: %s", r.Vendor, *code, req.Redact(cmp.Or(response.ErrMsg, response.Msg))).WithHint("%s", c.Hint)
	e.RetryAfter = c.RetryAfter
	return e
}
