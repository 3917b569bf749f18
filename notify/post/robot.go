package post

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/notify"
)

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

	// Code returns the meaning of an error code and its message, if it is known.
	Code func(code int, message string) (Code, bool)

	// Compose sets the request's body and, unless key is empty, signs it.
	Compose func(r *Request, m notify.Message, key secret.Value)
}

// Check returns what is wrong with the robot's files, as [notify.Opener] does.
func (r Robot) Check() []fault.Problem {
	return append(Check("url_file", r.URLFile, r.AllowHTTP), r.SecretFile.Check("secret_file")...)
}

// Open makes the robot's channel.
func (r Robot) Open(env notify.Env) (notify.Channel, error) {
	return Receiver{PerMinute: r.PerMinute, Compose: r.compose, Result: r.result}.Open(env)
}

// compose is [Receiver]'s.
func (r Robot) compose(m notify.Message) ([]Request, error) {
	u, err := Address(r.URLFile, r.AllowHTTP)
	if err != nil {
		return nil, err
	}
	req := JSON(u, nil)
	var key secret.Value
	if r.SecretFile != "" {
		if key, err = r.SecretFile.Read(); err != nil {
			return nil, err
		}
		req.Secrets = []string{key.Reveal()}
	}
	r.Compose(&req, m, key)
	return []Request{req}, nil
}

// result returns the error that a response means. The code in the body decides, 0
// being success, and the status only where there is none: robots refuse messages
// with status 200, and ask to slow down with 400. An unknown code says nothing
// about the message, which is tried again.
func (r Robot) result(req Request, res Response) error {
	var response struct { // DingTalk and WeCom have the first pair, Feishu the second
		ErrCode *int   `json:"errcode"`
		ErrMsg  string `json:"errmsg"`
		Code    *int   `json:"code"`
		Msg     string `json:"msg"`
	}
	bad := json.Unmarshal(res.Body, &response) != nil
	code, status := cmp.Or(response.ErrCode, response.Code), req.Status(res)
	switch {
	case (bad || code == nil || *code == 0) && status != nil:
		return status
	case bad || code == nil:
		return fault.New(fault.Damaged, "%s: not a response of %s: %s", req.URL.Host, r.Vendor, req.Redact(string(res.Body))).WithHint("check the address in url_file")
	case *code == 0:
		return nil
	}
	message := cmp.Or(response.ErrMsg, response.Msg)
	c, ok := r.Code(*code, message)
	if !ok {
		c = Code{Reason: fault.Unavailable, Hint: "packseal does not know this code, and tries again: look it up in the vendor's documentation"}
	}
	e := fault.New(c.Reason, "%s returned error %d: %s", r.Vendor, *code, req.Redact(message)).WithHint("%s", c.Hint)
	e.RetryAfter = max(c.RetryAfter, fault.RetryAfter(status))
	return e
}
