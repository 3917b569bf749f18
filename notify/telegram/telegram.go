// Package telegram sends notices to a chat of Telegram, as a bot.
package telegram

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf16"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/notify"
	"packseal.example/notify/post"
)

const (
	perMinute = 20   // the documented limit of a group
	maxText   = 4096 // UTF-16 code units
	official  = "https://api.telegram.org"
)

// Options are the `telegram` entry of a channel in the configuration file.
type Options struct {
	TokenFile secret.File `yaml:"token_file"`           // holds the bot's token, 123456:ABC…; required
	Chat      string      `yaml:"chat"`                 // the chat's ID, such as "-1001234567890", or a channel's "@name"; required
	Topic     int64       `yaml:"topic,omitempty"`      // the ID of a topic in the chat; default none
	Endpoint  string      `yaml:"endpoint,omitempty"`   // another server of the Bot API; default https://api.telegram.org
	AllowHTTP bool        `yaml:"allow_http,omitempty"` // permit an http:// endpoint that is not a loopback one
}

// Check implements [notify.Opener].
func (o *Options) Check() []fault.Problem {
	problems := fault.Problems(post.CheckSecret("token_file", o.TokenFile, "the bot's token, as @BotFather gave it"))
	problems.Require(o.Chat != "", "chat", "missing", `the chat's ID, such as "-1001234567890", or a channel's "@name"`)
	return append(problems, post.CheckEndpoint("endpoint", o.Endpoint, o.AllowHTTP)...)
}

// Open implements [notify.Opener].
func (o *Options) Open(env notify.Env) (notify.Channel, error) {
	return post.Receiver{PerMinute: perMinute, Compose: o.compose, Result: result}.Open(env)
}

// compose is [post.Receiver]'s.
func (o *Options) compose(m notify.Message) ([]post.Request, error) {
	token, err := o.TokenFile.Read()
	if err != nil {
		return nil, err
	}
	u, err := post.Endpoint(o.Endpoint, official)
	if err != nil {
		return nil, err
	}
	m = m.Fit(maxText, func(m notify.Message) int { return len(utf16.Encode([]rune(m.Text()))) })
	body := map[string]any{"chat_id": o.Chat, "text": m.Text(), "link_preview_options": map[string]bool{"is_disabled": true}}
	if o.Topic != 0 {
		body["message_thread_id"] = o.Topic
	}
	r := post.JSON(u.JoinPath("bot"+token.Reveal(), "sendMessage"), body)
	r.Secrets = []string{token.Reveal()}
	return []post.Request{r}, nil
}

// result is [post.Receiver]'s. The code in the body is that of the status.
func result(r post.Request, res post.Response) error {
	var a struct {
		OK          bool   `json:"ok"`
		Code        int    `json:"error_code"`
		Description string `json:"description"`
		Parameters  struct {
			RetryAfter int `json:"retry_after"` // seconds
		} `json:"parameters"`
	}
	if err := json.Unmarshal(res.Body, &a); err != nil || !a.OK && a.Code == 0 {
		if err := r.Status(res); err != nil {
			return err
		}
		return fault.New(fault.Damaged, "%s: not a response of Telegram: %s", r.URL.Host, r.Redact(string(res.Body))).WithHint("check endpoint")
	}
	if a.OK {
		return nil
	}
	reason, hint := fault.Unavailable, "" // a code that is not known says nothing about the message
	switch is := strings.ToLower(a.Description); {
	case a.Code == 401 || a.Code == 404:
		reason, hint = fault.Credentials, "put the bot's token into token_file, as @BotFather gave it"
	case a.Code == 403:
		reason, hint = fault.Denied, "let the bot write to the chat: add it again, or unblock it"
	case strings.Contains(is, "chat not found") || strings.Contains(is, "upgraded to a supergroup") || strings.Contains(is, "thread not found"):
		reason, hint = fault.NotFound, "check chat and topic; a group that became a supergroup has another ID"
	case strings.Contains(is, "too long"):
		reason = fault.TooLarge
	case a.Code == 429:
		reason, hint = fault.Throttled, "does another program use the bot?"
	case a.Code == 400:
		reason = fault.Request
	}
	e := fault.New(reason, "Telegram returned error %d: %s", a.Code, r.Redact(a.Description)).WithHint("%s", hint)
	e.RetryAfter = time.Duration(min(max(a.Parameters.RetryAfter, 0), 3600)) * time.Second
	return e
}
