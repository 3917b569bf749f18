package post

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"packseal.example/internal/fault"
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

// Robot sends JSON to a vendor's robot. Robots answer with status 200 also
// when they refuse: the code in their answer tells, 0 being success. A code
// that is in no verdict is fault.Request.
func (c *Client) Robot(ctx context.Context, vendor string, r Request, verdicts map[int]Verdict) error {
	r.Header = http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	body, err := c.Do(ctx, r)
	if err != nil {
		return err
	}
	var answer struct { // DingTalk and WeCom have the first pair, Feishu the second
		ErrCode *int   `json:"errcode"`
		ErrMsg  string `json:"errmsg"`
		Code    *int   `json:"code"`
		Msg     string `json:"msg"`
	}
	err = json.Unmarshal(body, &answer)
	code := cmp.Or(answer.ErrCode, answer.Code)
	if err != nil || code == nil {
		return fault.New(fault.Damaged, "%s: not an answer of %s's: %s", r.URL.Host, vendor, r.Clean(string(body))).WithHint("look at the address in url_file")
	}
	if *code == 0 {
		return nil
	}
	v, ok := verdicts[*code]
	if !ok {
		v.Reason = fault.Request
	}
	e := fault.New(v.Reason, "%s answers %d: %s", vendor, *code, r.Clean(cmp.Or(answer.ErrMsg, answer.Msg))).WithHint("%s", v.Hint)
	e.RetryAfter = v.RetryAfter
	return e
}
