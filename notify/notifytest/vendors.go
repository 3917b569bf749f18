package notifytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// slack is an incoming webhook of Slack: text and attachments, whose answer is the
// word ok. Nothing in a text is to be escaped: &, < and > are markup.
func (s *Server) slack(r *http.Request, body []byte) (Delivery, int, string) {
	var m struct {
		Text        string `json:"text"`
		Attachments []struct {
			Fallback string   `json:"fallback"`
			Color    string   `json:"color"`
			Text     string   `json:"text"`
			Footer   string   `json:"footer"`
			Markdown []string `json:"mrkdwn_in"`
		} `json:"attachments"`
	}
	switch {
	case r.PathValue("token") != s.Token:
		return Delivery{}, http.StatusForbidden, "invalid_token"
	case !isJSON(r) || strict(body, &m) != nil || m.Text == "" || len(m.Attachments) != 1:
		return Delivery{}, http.StatusBadRequest, "invalid_payload"
	case utf8.RuneCountInString(m.Attachments[0].Text) > 4096:
		return Delivery{}, http.StatusBadRequest, "msg_too_long"
	}
	a := m.Attachments[0]
	return Delivery{Title: m.Text, Text: a.Text + a.Footer, Path: r.URL.Path}, http.StatusOK, "ok"
}

// teams is a workflow of Teams: an adaptive card in a message, 28 KB; 202 and no
// body.
func (s *Server) teams(r *http.Request, body []byte) (Delivery, int, string) {
	type block struct {
		Type, Text, Weight, Size, Color, Spacing string
		Wrap, IsSubtle                           bool
	}
	type action struct{ Type, Title, URL string }
	var m struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     struct {
				Schema        string `json:"$schema"`
				Type, Version string
				Body          []block
				Actions       []action
				MSTeams       map[string]string
			}
		}
	}
	switch {
	case r.URL.Query().Get("sig") != s.Token:
		return Delivery{}, http.StatusUnauthorized, `{"error":{"code":"DirectApiAuthorizationRequired"}}`
	case len(body) > 28<<10:
		return Delivery{}, http.StatusRequestEntityTooLarge, ""
	case !isJSON(r) || strict(body, &m) != nil || m.Type != "message" || len(m.Attachments) != 1 || m.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive":
		return Delivery{}, http.StatusBadRequest, `{"error":{"code":"TriggerInputSchemaMismatch"}}`
	}
	var text strings.Builder
	c := m.Attachments[0].Content
	for _, b := range c.Body {
		if b.Type != "TextBlock" || !b.Wrap {
			return Delivery{}, http.StatusBadRequest, `{"error":{"code":"InvalidCard"}}`
		}
		text.WriteString(b.Text + "\n")
	}
	for _, a := range c.Actions {
		text.WriteString(a.Title + " " + a.URL + "\n")
	}
	return Delivery{Title: c.Body[0].Text, Text: text.String(), Path: r.URL.Path}, http.StatusAccepted, ""
}

// telegram is the Bot API: 4096 UTF-16 code units; the token is in the path.
func (s *Server) telegram(r *http.Request, body []byte) (Delivery, int, string) {
	refuse := func(code int, description string) (Delivery, int, string) {
		return Delivery{}, code, fmt.Sprintf(`{"ok":false,"error_code":%d,"description":%q}`, code, description)
	}
	var m struct {
		Chat    string          `json:"chat_id"`
		Thread  int64           `json:"message_thread_id"`
		Text    string          `json:"text"`
		Preview map[string]bool `json:"link_preview_options"`
	}
	switch {
	case r.PathValue("bot") != "bot"+s.Token:
		return refuse(http.StatusUnauthorized, "Unauthorized")
	case !isJSON(r) || strict(body, &m) != nil || m.Text == "":
		return refuse(http.StatusBadRequest, "Bad Request: message text is empty")
	case m.Chat != "-100123":
		return refuse(http.StatusBadRequest, "Bad Request: chat not found")
	case m.Thread != 0 && m.Thread != 7:
		return refuse(http.StatusBadRequest, "Bad Request: message thread not found")
	case len(utf16.Encode([]rune(m.Text))) > 4096:
		return refuse(http.StatusBadRequest, "Bad Request: message is too long")
	}
	title, _, _ := strings.Cut(m.Text, "\n")
	return Delivery{Title: title, Text: m.Text, Path: r.URL.Path}, http.StatusOK, `{"ok":true,"result":{"message_id":1}}`
}

// ntfy publishes JSON at the server's root; 4096 bytes. The topic is the token, and
// the access token the secret.
func (s *Server) ntfy(r *http.Request, body []byte) (Delivery, int, string) {
	var m struct {
		Topic    string   `json:"topic"`
		Title    string   `json:"title"`
		Message  string   `json:"message"`
		Priority int      `json:"priority"`
		Tags     []string `json:"tags"`
		Click    string   `json:"click"`
		Actions  []struct {
			Action string `json:"action"`
			Label  string `json:"label"`
			URL    string `json:"url"`
		} `json:"actions"`
	}
	switch {
	case s.Secret != "" && r.Header.Get("Authorization") != "Bearer "+s.Secret:
		return Delivery{}, http.StatusUnauthorized, `{"code":40101,"http":401,"error":"unauthorized"}`
	case !isJSON(r) || strict(body, &m) != nil || m.Priority < 1 || m.Priority > 5 || len(m.Actions) > 3:
		return Delivery{}, http.StatusBadRequest, `{"code":40024,"http":400,"error":"invalid request: request body must be valid JSON"}`
	case m.Topic != s.Token:
		return Delivery{}, http.StatusForbidden, `{"code":40301,"http":403,"error":"forbidden"}`
	case len(m.Message) > 4096:
		return Delivery{}, http.StatusRequestEntityTooLarge, `{"code":41301,"http":413,"error":"attachment too large"}`
	}
	text := m.Message
	for _, a := range m.Actions {
		text += a.Label + " " + a.URL + "\n"
	}
	return Delivery{Title: m.Title, Text: text, Path: r.URL.Path}, http.StatusOK, `{"id":"x","event":"message"}`
}

// pagerDuty is the Events API v2: triggers and resolves; 202. A delivery's Text is
// action, key, severity and summary.
func (s *Server) pagerDuty(r *http.Request, body []byte) (Delivery, int, string) {
	var m struct {
		Key     string `json:"routing_key"`
		Action  string `json:"event_action"`
		Dedup   string `json:"dedup_key"`
		Payload *struct {
			Summary   string          `json:"summary"`
			Source    string          `json:"source"`
			Severity  string          `json:"severity"`
			Timestamp string          `json:"timestamp"`
			Component string          `json:"component"`
			Details   json.RawMessage `json:"custom_details"`
		} `json:"payload"`
		Links []struct {
			Href string `json:"href"`
			Text string `json:"text"`
		} `json:"links"`
	}
	refuse := func(why string) (Delivery, int, string) {
		return Delivery{}, http.StatusBadRequest, fmt.Sprintf(`{"status":"invalid event","message":"Event object is invalid","errors":[%q]}`, why)
	}
	switch err := strict(body, &m); {
	case !isJSON(r) || err != nil || len(body) > 512<<10:
		return refuse("JSON cannot be parsed")
	case m.Key != s.Token:
		return refuse("Invalid routing key")
	case len(m.Dedup) == 0 || len(m.Dedup) > 255 || m.Action != "trigger" && m.Action != "resolve" || (m.Action == "trigger") != (m.Payload != nil):
		return refuse("'event_action' or 'dedup_key' is invalid")
	case m.Action == "resolve":
		return Delivery{Title: m.Dedup, Text: "resolve " + m.Dedup, Path: r.URL.Path}, http.StatusAccepted, `{"status":"success"}`
	case !slices.Contains([]string{"critical", "error", "warning", "info"}, m.Payload.Severity) || m.Payload.Source == "" || utf8.RuneCountInString(m.Payload.Summary) > 1024:
		return refuse("'payload.severity', 'payload.source' or 'payload.summary' is invalid")
	}
	text := fmt.Sprintf("trigger %s %s %s %s", m.Dedup, m.Payload.Severity, m.Payload.Summary, m.Payload.Details)
	for _, l := range m.Links {
		text += " " + l.Text + " " + l.Href
	}
	return Delivery{Title: m.Dedup, Text: text, Path: r.URL.Path}, http.StatusAccepted, `{"status":"success"}`
}
