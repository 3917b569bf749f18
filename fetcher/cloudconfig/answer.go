package cloudconfig

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// text is a string that some answers write as a number.
type text string

// UnmarshalJSON accepts whatever stands there on one level.
func (t *text) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, (*string)(t))
	}
	if b[0] == '{' || b[0] == '[' {
		return fmt.Errorf("expected text, found %.1s", b)
	}
	if *t = text(b); string(b) == "null" {
		*t = ""
	}
	return nil
}

// millis is a time in milliseconds since 1970, as a number or as text; what
// is no such time is an error, and none or 0 is the zero time.
type millis struct{ time.Time }

// maxMillis is the end of the year 9999, the last that can be written down.
const maxMillis = 253402300799999

// UnmarshalJSON reads 1624869012000, "1624869012000" or null.
func (m *millis) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	return m.UnmarshalText([]byte(t))
}

// UnmarshalText reads an XML element's content.
func (m *millis) UnmarshalText(b []byte) error {
	*m = millis{}
	s := strings.TrimSpace(string(b))
	if s == "" || s == "0" {
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > maxMillis {
		return fmt.Errorf("%.40q is not a time in milliseconds", s)
	}
	m.Time = time.UnixMilli(n).UTC()
	return nil
}

// unmarshal reads JSON, or XML where the API answers it all the same: JSON is
// asked for in each call, but the gateway's own errors have come as XML, which
// was its default for years, and something in front of it may answer HTML.
func unmarshal(body []byte, v any) error {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF")))
	switch {
	case len(body) == 0:
		return errors.New("the answer is empty")
	case body[0] == '<':
		if err := xml.Unmarshal(body, v); err != nil {
			return errors.New("the answer is neither JSON nor the API's XML")
		}
		return nil
	case body[0] != '{':
		return errors.New("the answer is no JSON object")
	}
	if err := json.Unmarshal(body, v); err != nil {
		// The JSON package's messages can quote what was read.
		return errors.New("the answer's JSON is broken or of another shape")
	}
	return nil
}

// refusal is the body of an error.
type refusal struct {
	Code      text
	Message   text
	RequestID text `json:"RequestId" xml:"RequestId"`
}

// apiError makes an error of an answer whose status is not 200. A body that is
// not the API's leaves Code empty.
func apiError(name string, res *http.Response, body []byte, k keys) *APIError {
	e := &APIError{Call: name, Status: res.StatusCode}
	var r refusal
	if err := unmarshal(body, &r); err != nil || r.Code == "" {
		r = refusal{Message: text(http.StatusText(res.StatusCode))}
	}
	if r.RequestID == "" {
		r.RequestID = text(res.Header.Get("X-Acs-Request-Id"))
	}
	e.Code, e.Message, e.RequestID = k.clean(string(r.Code), 80), k.clean(string(r.Message), 300), k.clean(string(r.RequestID), 80)
	return e
}

// query matches the query of a URL in a message; it may be a signed link's.
var query = regexp.MustCompile(`(https?://[^\s?"'<>]*)\?[^\s"'<>]*`)

// clean makes foreign text fit for an error: without the keys, which the API
// quotes when it explains a signature, on one line, and bounded.
func (k keys) clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s)
	// The API quotes its whole view of the call, headers and all.
	s, _, _ = strings.Cut(s, "server string to sign is")
	for _, v := range []string{k.secret.Reveal(), k.token.Reveal(), k.id.Reveal()} {
		if v != "" {
			s = strings.ReplaceAll(s, v, "(secret)")
			s = strings.ReplaceAll(s, url.QueryEscape(v), "(secret)")
		}
	}
	s = query.ReplaceAllString(s, "$1")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return strings.TrimSpace(s)
}
