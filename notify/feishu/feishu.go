// Package feishu sends notices to a group of Feishu (飞书) or Lark, through a custom
// bot.
package feishu

import (
	"strconv"
	"strings"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/notify"
	"packseal.example/notify/post"
)

const (
	perMinute = 100    // the bot's documented limit; notify's burst keeps within the one of five a second
	maxBody   = 20_000 // bytes; the documented limit is 20 KB
)

// Options are the `feishu` entry of a channel in the configuration file.
type Options struct {
	URLFile    secret.File `yaml:"url_file"`              // holds the bot's webhook, https://open.feishu.cn/open-apis/bot/v2/hook/…; required
	SecretFile secret.File `yaml:"secret_file,omitempty"` // holds the bot's signing secret; default: messages are not signed
	AllowHTTP  bool        `yaml:"allow_http,omitempty"`  // permit http:// for an address that is not a loopback one
}

func (o *Options) robot() post.Robot {
	return post.Robot{
		Vendor: "Feishu", PerMinute: perMinute, URLFile: o.URLFile, SecretFile: o.SecretFile, AllowHTTP: o.AllowHTTP,
		Code: code, Compose: compose,
	}
}

// Check implements [notify.Opener].
func (o *Options) Check() []fault.Problem { return o.robot().Check() }

// Open implements [notify.Opener].
func (o *Options) Open(env notify.Env) (notify.Channel, error) { return o.robot().Open(env) }

// compose is [post.Robot]'s.
func compose(r *post.Request, m notify.Message, key secret.Value) {
	content := content{Type: "interactive"}
	if key != "" {
		content.Timestamp = strconv.FormatInt(time.Now().Unix(), 10)
		content.Sign = sign(content.Timestamp, key)
		r.Secrets = append(r.Secrets, content.Sign)
	}
	r.Body = content.with(m.Fit(maxBody, func(m notify.Message) int { return len(content.with(m)) }))
}

// sign returns the signature as documented: of nothing, under the time in seconds
// and the secret.
func sign(at string, key secret.Value) string { return post.Sign(at+"\n"+key.Reveal(), "") }

// content is the body that the bot expects: a card of plain text, in which nothing
// is markup.
type content struct {
	Timestamp string `json:"timestamp,omitempty"`
	Sign      string `json:"sign,omitempty"`
	Type      string `json:"msg_type"`
	Card      struct {
		Header   header    `json:"header"`
		Elements []element `json:"elements"`
	} `json:"card"`
}

type header struct {
	Title    text   `json:"title"`
	Template string `json:"template"` // a color
}

type element struct {
	Tag      string   `json:"tag"`
	Text     *text    `json:"text,omitempty"`
	Elements []text   `json:"elements,omitempty"`
	Actions  []button `json:"actions,omitempty"`
}

type button struct {
	Tag  string `json:"tag"`
	Text text   `json:"text"`
	URL  string `json:"url"`
	Type string `json:"type"`
}

type text struct {
	Tag     string `json:"tag"`
	Content string `json:"content"`
}

// with returns the body for a message.
func (c content) with(m notify.Message) []byte {
	color := map[notify.Tone]string{notify.Bad: "red", notify.Good: "green", notify.Plain: "blue"}
	c.Card.Header = header{text{"plain_text", m.Title}, color[m.Tone]}
	for _, p := range m.Parts {
		lines := []string{p.Head}
		for _, line := range p.Lines {
			lines = append(lines, "• "+line)
		}
		c.Card.Elements = append(c.Card.Elements, element{Tag: "div", Text: &text{"plain_text", strings.Join(lines, "\n")}})
	}
	var buttons []button
	for _, l := range m.Links {
		buttons = append(buttons, button{"button", text{"plain_text", l.Text}, l.URL, "default"})
	}
	if len(buttons) > 0 {
		c.Card.Elements = append(c.Card.Elements, element{Tag: "action", Actions: buttons})
	}
	c.Card.Elements = append(c.Card.Elements, element{Tag: "note", Elements: []text{{"plain_text", m.Foot}}})
	return post.Encode(c)
}

// code knows the bot's documented error codes. 9499 is a request that the bot can't
// read; gateways before it use the same code to slow senders down, with status 400.
func code(code int, message string) (post.Code, bool) {
	const gone = "the bot was deleted: put its new webhook into url_file"
	const settings = "the bot's security settings refuse the message: allow this machine's address, or the keyword packseal"
	throttled := post.Code{Reason: fault.Throttled, RetryAfter: time.Minute, Hint: "does another program use the bot?"}
	if code == 9499 && message != "Bad Request" {
		return throttled, true
	}
	c, ok := map[int]post.Code{
		9499:     {Reason: fault.Request},
		11246:    {Reason: fault.Request}, // a card that the bot can't show
		11232:    throttled,
		99991400: throttled,
		19021:    {Reason: fault.Credentials, Hint: "put the bot's signing secret into secret_file; signatures are valid for an hour, so check the clock too"},
		19022:    {Reason: fault.Credentials, Hint: settings},
		19024:    {Reason: fault.Credentials, Hint: settings},
		19001:    {Reason: fault.Credentials, Hint: gone},
	}[code]
	return c, ok
}
