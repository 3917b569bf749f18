// Package slack sends notices to Slack, and to what takes Slack's incoming
// webhooks: Mattermost, Rocket.Chat, and Discord at an address with /slack after
// it.
package slack

import (
	"strings"
	"unicode/utf8"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/notify"
	"packseal.example/notify/post"
)

const (
	perMinute = 60   // the documented limit: one a second
	maxText   = 3500 // characters; the least of all limits is Discord's, 4096
)

// Options are the `slack` entry of a channel in the configuration file.
type Options struct {
	URLFile   secret.File `yaml:"url_file"`             // holds the webhook, https://hooks.slack.com/services/…; required
	AllowHTTP bool        `yaml:"allow_http,omitempty"` // permit http:// for an address that is not a loopback one
}

// Check implements [notify.Opener].
func (o *Options) Check() []fault.Problem { return post.Check("url_file", o.URLFile, o.AllowHTTP) }

// Open implements [notify.Opener].
func (o *Options) Open(env notify.Env) (notify.Channel, error) {
	return post.Receiver{PerMinute: perMinute, Compose: o.compose}.Open(env)
}

// attachment is a message with a color at its side.
type attachment struct {
	Fallback string   `json:"fallback"`
	Color    string   `json:"color"`
	Text     string   `json:"text"`
	Footer   string   `json:"footer"`
	Markdown []string `json:"mrkdwn_in"`
}

// compose is [post.Receiver]'s.
func (o *Options) compose(m notify.Message) ([]post.Request, error) {
	u, err := post.Address(o.URLFile, o.AllowHTTP)
	if err != nil {
		return nil, err
	}
	color := map[notify.Tone]string{notify.Bad: "danger", notify.Good: "good", notify.Plain: "#1d4f7a"}[m.Tone]
	m = m.Fit(maxText, func(m notify.Message) int { return utf8.RuneCountInString(text(m)) })
	return []post.Request{post.JSON(u, map[string]any{
		"text":        "*" + plain(m.Title) + "*",
		"attachments": []attachment{{plain(m.Title), color, text(m), plain(m.Foot), []string{"text"}}},
	})}, nil
}

// plain returns text that has no meaning as markup.
func plain(text string) string { return strings.ReplaceAll(notify.Unmarked(text), "&", "＆") }

// text returns parts and links in Slack's markup.
func text(m notify.Message) string {
	var b strings.Builder
	for _, p := range m.Parts {
		if p.Head != "" {
			b.WriteString("*" + plain(p.Head) + "*\n")
		}
		for _, line := range p.Lines {
			b.WriteString("• " + plain(line) + "\n")
		}
	}
	for _, l := range m.Links {
		b.WriteString("<" + l.URL + "|" + plain(strings.ReplaceAll(l.Text, "|", "/")) + ">\n")
	}
	return b.String()
}
