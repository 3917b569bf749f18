// Package feishu tells a group of Feishu (飞书) or Lark through a custom bot.
package feishu

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/notify"
	"packseal.example/notify/post"
)

const (
	perMinute = 100    // the bot's documented limit; that of five a second holds because of the burst that notify allows
	maxBody   = 20_000 // bytes; 20 KB are documented
)

// Options are the `feishu` entry of a channel in the configuration file.
type Options struct {
	URLFile    secret.File `yaml:"url_file"`              // holds the bot's webhook, https://open.feishu.cn/open-apis/bot/v2/hook/…; required
	SecretFile secret.File `yaml:"secret_file,omitempty"` // holds the bot's signing secret; default: messages are not signed
	AllowHTTP  bool        `yaml:"allow_http,omitempty"`  // permit http:// for an address that is not a loopback one
}

// Check implements [notify.Opener].
func (o *Options) Check() []fault.Problem {
	return append(post.Check("url_file", o.URLFile, o.AllowHTTP), o.SecretFile.Check("secret_file")...)
}

// Open implements [notify.Opener].
func (o *Options) Open(env notify.Env) (notify.Channel, error) {
	return post.Robot{
		Vendor: "Feishu", PerMinute: perMinute, URLFile: o.URLFile, AllowHTTP: o.AllowHTTP,
		Verdicts: verdicts(), Compose: o.compose,
	}.Open(env)
}

// compose is [post.Robot]'s.
func (o *Options) compose(r *post.Request, m notify.Message) error {
	content := content{Type: "interactive"}
	if o.SecretFile != "" {
		key, err := o.SecretFile.Read()
		if err != nil {
			return err
		}
		content.Timestamp = strconv.FormatInt(time.Now().Unix(), 10)
		content.Sign = sign(content.Timestamp, key)
		r.Secrets = []string{key.Reveal(), content.Sign}
	}
	r.Body = content.with(m.Fit(maxBody, func(m notify.Message) int { return len(content.with(m)) }))
	return nil
}

// sign is the documented signature: the time in seconds and the secret are the
// key, and what they sign is empty.
func sign(at string, key secret.Value) string {
	mac := hmac.New(sha256.New, []byte(at+"\n"+key.Reveal()))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// content is the body as the bot takes it: a card of plain text, in which
// nothing is markup.
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
	Tag      string `json:"tag"`
	Text     *text  `json:"text,omitempty"`
	Elements []text `json:"elements,omitempty"`
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
	c.Card.Elements = append(c.Card.Elements, element{Tag: "note", Elements: []text{{"plain_text", m.Foot}}})
	return post.Encode(c)
}

// verdicts are the bot's documented codes.
func verdicts() map[int]post.Verdict {
	const gone = "the bot is gone: put its new webhook into url_file"
	const settings = "the bot's security settings refuse it: allow this machine's address, or the keyword packseal"
	throttled := post.Verdict{Reason: fault.Throttled, RetryAfter: time.Minute, Hint: "does something else write through the bot?"}
	return map[int]post.Verdict{
		11232:    throttled,
		99991400: throttled,
		19021:    {Reason: fault.Credentials, Hint: "put the bot's signing secret into secret_file; a signature is good for an hour, so look at the clock too"},
		19022:    {Reason: fault.Credentials, Hint: settings},
		19024:    {Reason: fault.Credentials, Hint: settings},
		19001:    {Reason: fault.Credentials, Hint: gone},
	}
}
