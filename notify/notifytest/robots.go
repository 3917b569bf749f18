package notifytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// strict decodes JSON that must have no other fields than v.
func strict(body []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}

// fresh reports whether a time, in units after 1970, is within an hour of now.
func fresh(text string, unit time.Duration) bool {
	n, err := strconv.ParseInt(text, 10, 64)
	return err == nil && time.Since(time.Unix(0, n*int64(unit))).Abs() < time.Hour
}

// dingTalk is a custom robot of DingTalk: a signature in the query, by the
// secret over "<milliseconds>\n<secret>"; 20 messages a minute; 20,000 bytes.
func (s *Server) dingTalk(r *http.Request, body []byte) (Delivery, int, string) {
	refuse := func(code int, message string) (Delivery, int, string) {
		return Delivery{}, http.StatusOK, fmt.Sprintf(`{"errcode":%d,"errmsg":%q}`, code, message)
	}
	q := r.URL.Query()
	var m struct {
		Type     string `json:"msgtype"`
		Markdown struct {
			Title string `json:"title"`
			Text  string `json:"text"`
		} `json:"markdown"`
	}
	switch {
	case s.within(DingTalk, time.Minute) > 20:
		return refuse(130101, "send too fast, exceed 20 times per minute")
	case q.Get("access_token") != s.Token:
		return refuse(300001, "token is not exist")
	case s.Secret != "" && !fresh(q.Get("timestamp"), time.Millisecond):
		return refuse(310000, "invalid timestamp")
	case s.Secret != "" && q.Get("sign") != hmacBase64(s.Secret, q.Get("timestamp")+"\n"+s.Secret):
		return refuse(310000, "sign not match")
	case len(body) > 20000:
		return refuse(460101, "message too long, exceed 20000 bytes")
	case !isJSON(r) || strict(body, &m) != nil || m.Type != "markdown" || m.Markdown.Title == "" || m.Markdown.Text == "":
		return refuse(40035, "invalid parameter")
	case !strings.Contains(m.Markdown.Title, "packseal"):
		return refuse(310000, "keywords not in content")
	}
	return Delivery{Title: m.Markdown.Title, Text: m.Markdown.Text, Path: r.URL.Path}, http.StatusOK, `{"errcode":0,"errmsg":"ok"}`
}

// weCom is a group robot of WeCom: no signature; 20 messages a minute; 4096
// bytes of Markdown.
func (s *Server) weCom(r *http.Request, body []byte) (Delivery, int, string) {
	refuse := func(code int, message string) (Delivery, int, string) {
		return Delivery{}, http.StatusOK, fmt.Sprintf(`{"errcode":%d,"errmsg":%q}`, code, message)
	}
	var m struct {
		Type     string `json:"msgtype"`
		Markdown struct {
			Content string `json:"content"`
		} `json:"markdown"`
	}
	switch {
	case s.within(WeCom, time.Minute) > 20:
		return refuse(45009, "api freq out of limit")
	case r.URL.Query().Get("key") != s.Token:
		return refuse(93000, "invalid webhook url")
	case !isJSON(r) || strict(body, &m) != nil || m.Type != "markdown" || m.Markdown.Content == "":
		return refuse(40008, "invalid message type")
	case len(m.Markdown.Content) > 4096:
		return refuse(40058, "markdown.content exceed max length 4096")
	}
	title, _, _ := strings.Cut(m.Markdown.Content, "\n")
	return Delivery{Title: title, Text: m.Markdown.Content, Path: r.URL.Path}, http.StatusOK, `{"errcode":0,"errmsg":"ok"}`
}

// plain is a card's text without markup.
type plain struct {
	Tag     string `json:"tag"`
	Content string `json:"content"`
}

// feishu is a custom bot of Feishu: a signature in the body, of nothing, by
// the key "<seconds>\n<secret>"; 100 messages a minute, five a second; 20 KB.
func (s *Server) feishu(r *http.Request, body []byte) (Delivery, int, string) {
	refuse := func(code int, message string) (Delivery, int, string) {
		return Delivery{}, http.StatusOK, fmt.Sprintf(`{"code":%d,"data":{},"msg":%q}`, code, message)
	}
	var m struct {
		Timestamp string `json:"timestamp"`
		Sign      string `json:"sign"`
		Type      string `json:"msg_type"`
		Card      struct {
			Header struct {
				Title    plain  `json:"title"`
				Template string `json:"template"`
			} `json:"header"`
			Elements []struct {
				Tag      string  `json:"tag"`
				Text     *plain  `json:"text"`
				Elements []plain `json:"elements"`
				Actions  []struct {
					Tag  string `json:"tag"`
					Text plain  `json:"text"`
					URL  string `json:"url"`
					Type string `json:"type"`
				} `json:"actions"`
			} `json:"elements"`
		} `json:"card"`
	}
	switch err := strict(body, &m); {
	case s.within(Feishu, time.Minute) > 100 || s.within(Feishu, time.Second) > 5:
		return refuse(11232, "frequency limited")
	case r.PathValue("token") != s.Token:
		return refuse(19001, "param invalid: incoming webhook access token invalid")
	case !isJSON(r) || err != nil || len(body) > 20000 || m.Type != "interactive" || m.Card.Header.Title.Tag != "plain_text":
		return refuse(9499, "Bad Request")
	case s.Secret != "" && (!fresh(m.Timestamp, time.Second) || m.Sign != hmacBase64(m.Timestamp+"\n"+s.Secret, "")):
		return refuse(19021, "sign match fail or timestamp is not within one hour from current time")
	case !strings.Contains(m.Card.Header.Title.Content, "packseal"):
		return refuse(19024, "Key Words Not Found")
	}
	var text strings.Builder
	for _, e := range m.Card.Elements {
		switch {
		case e.Tag == "div" && e.Text != nil && e.Text.Tag == "plain_text":
			text.WriteString(e.Text.Content + "\n")
		case e.Tag == "action" && len(e.Actions) > 0 && e.Actions[0].Tag == "button" && e.Actions[0].Text.Tag == "plain_text":
			for _, a := range e.Actions {
				text.WriteString(a.Text.Content + " " + a.URL + "\n")
			}
		case e.Tag == "note" && len(e.Elements) == 1 && e.Elements[0].Tag == "plain_text":
			text.WriteString(e.Elements[0].Content + "\n")
		default:
			return refuse(11246, "Failed to create card content, ext=ErrCode: 11310; ErrMsg: element exceeds the limit")
		}
	}
	return Delivery{Title: m.Card.Header.Title.Content, Text: text.String(), Path: r.URL.Path}, http.StatusOK, `{"code":0,"data":{},"msg":"success","StatusCode":0,"StatusMessage":"success"}`
}
