// Package dingtalk sends notices to a group of DingTalk (钉钉), through a custom
// robot.
package dingtalk

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
	perMinute = 20               // the robot's documented limit
	banned    = 10 * time.Minute // how long a robot that exceeded it is blocked
	maxBody   = 20_000           // bytes; longer messages are refused (460101)
)

// Options are the `dingtalk` entry of a channel in the configuration file.
type Options struct {
	URLFile    secret.File `yaml:"url_file"`              // holds the robot's webhook, https://oapi.dingtalk.com/robot/send?access_token=…; required
	SecretFile secret.File `yaml:"secret_file,omitempty"` // holds the robot's signing secret, SEC…; default: messages are not signed
	AllowHTTP  bool        `yaml:"allow_http,omitempty"`  // permit http:// for an address that is not a loopback one
}

func (o *Options) robot() post.Robot {
	return post.Robot{
		Vendor: "DingTalk", PerMinute: perMinute, URLFile: o.URLFile, SecretFile: o.SecretFile, AllowHTTP: o.AllowHTTP,
		Code: code, Compose: compose,
	}
}

// Check implements [notify.Opener].
func (o *Options) Check() []fault.Problem { return o.robot().Check() }

// Open implements [notify.Opener].
func (o *Options) Open(env notify.Env) (notify.Channel, error) { return o.robot().Open(env) }

// compose is [post.Robot]'s.
func compose(r *post.Request, m notify.Message, key secret.Value) {
	if key != "" {
		at := strconv.FormatInt(time.Now().UnixMilli(), 10)
		q := r.URL.Query()
		q.Set("timestamp", at)
		q.Set("sign", sign(at, key))
		r.URL.RawQuery = q.Encode()
	}
	r.Body = body(m.Fit(maxBody, func(m notify.Message) int { return len(body(m)) }))
}

// sign returns the signature as documented: of the time in milliseconds and the
// secret, under the secret.
func sign(at string, key secret.Value) string { return post.Sign(key.Reveal(), at+"\n"+key.Reveal()) }

// body returns the message as the robot expects it.
func body(m notify.Message) []byte {
	var text strings.Builder
	text.WriteString("### " + notify.Unmarked(m.Title) + "\n\n")
	for _, p := range m.Parts {
		if p.Head != "" {
			text.WriteString("**" + notify.Unmarked(p.Head) + "**\n\n")
		}
		for _, line := range p.Lines {
			text.WriteString("- " + notify.Unmarked(line) + "\n")
		}
		text.WriteString("\n")
	}
	for _, l := range m.Links {
		text.WriteString(notify.MarkdownLink(l) + "\n\n")
	}
	text.WriteString("> " + notify.Unmarked(m.Foot))
	return post.Encode(map[string]any{
		"msgtype":  "markdown",
		"markdown": map[string]string{"title": m.Title, "text": text.String()},
	})
}

// code knows the robot's documented error codes.
func code(code int, _ string) (post.Code, bool) {
	const gone = "the robot was deleted or stopped: put its new webhook into url_file"
	throttled := post.Code{Reason: fault.Throttled, RetryAfter: banned, Hint: "the robot is blocked for ten minutes: does another program use it?"}
	c, ok := map[int]post.Code{
		-1:     {Reason: fault.Unavailable},
		40035:  {Reason: fault.Request}, // a parameter that the robot can't read
		130101: throttled,
		410100: throttled,
		310000: {Reason: fault.Credentials, Hint: "the robot's security settings refuse the message: put its signing secret into secret_file, or allow the keyword packseal or this machine's address; signatures are valid for an hour, so check the clock too"},
		300001: {Reason: fault.Credentials, Hint: gone},
		400101: {Reason: fault.Credentials, Hint: gone},
		400102: {Reason: fault.Credentials, Hint: gone},
		400106: {Reason: fault.Credentials, Hint: gone},
		460101: {Reason: fault.TooLarge},
	}[code]
	return c, ok
}
