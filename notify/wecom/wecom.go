// Package wecom sends notices to a group of WeCom (企业微信), through a group robot.
package wecom

import (
	"strings"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/notify"
	"packseal.example/notify/post"
)

const (
	perMinute  = 20   // the robot's documented limit
	maxContent = 4096 // bytes of UTF-8; longer Markdown is refused (40058)
)

// Options are the `wecom` entry of a channel in the configuration file. WeCom
// has no signatures: the key in the address is the only secret.
type Options struct {
	URLFile   secret.File `yaml:"url_file"`             // holds the robot's webhook, https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…; required
	AllowHTTP bool        `yaml:"allow_http,omitempty"` // permit http:// for an address that is not a loopback one
}

func (o *Options) robot() post.Robot {
	return post.Robot{
		Vendor: "WeCom", PerMinute: perMinute, URLFile: o.URLFile, AllowHTTP: o.AllowHTTP,
		Code: code, Compose: compose,
	}
}

// Check implements [notify.Opener].
func (o *Options) Check() []fault.Problem { return o.robot().Check() }

// Open implements [notify.Opener].
func (o *Options) Open(env notify.Env) (notify.Channel, error) { return o.robot().Open(env) }

// compose is [post.Robot]'s.
func compose(r *post.Request, m notify.Message, _ secret.Value) {
	m = m.Fit(maxContent, func(m notify.Message) int { return len(content(m)) })
	r.Body = post.Encode(map[string]any{
		"msgtype": "markdown", "markdown": map[string]string{"content": content(m)},
	})
}

// content returns the message in WeCom's kind of Markdown, which has no lists.
func content(m notify.Message) string {
	var b strings.Builder
	color := map[notify.Tone]string{notify.Bad: "warning", notify.Good: "info", notify.Plain: "comment"}
	b.WriteString(`### <font color="` + color[m.Tone] + `">` + notify.Unmarked(m.Title) + "</font>\n")
	for _, p := range m.Parts {
		if p.Head != "" {
			b.WriteString("**" + notify.Unmarked(p.Head) + "**\n")
		}
		for _, line := range p.Lines {
			b.WriteString("> " + notify.Unmarked(line) + "\n")
		}
	}
	for _, l := range m.Links {
		b.WriteString(notify.MarkdownLink(l) + "\n")
	}
	b.WriteString(`<font color="comment">` + notify.Unmarked(m.Foot) + "</font>")
	return b.String()
}

// code knows the robot's documented error codes.
func code(code int, _ string) (post.Code, bool) {
	throttled := post.Code{Reason: fault.Throttled, RetryAfter: time.Minute, Hint: "does another program use the robot?"}
	c, ok := map[int]post.Code{
		-1:    {Reason: fault.Unavailable},
		40008: {Reason: fault.Request}, // a message that the robot can't read
		45009: throttled,
		45033: throttled,
		93000: {Reason: fault.Credentials, Hint: "the robot was deleted, or the key is wrong: put its webhook into url_file"},
		40058: {Reason: fault.TooLarge},
	}[code]
	return c, ok
}
