// Package dingtalk tells a group of DingTalk (钉钉) through a custom robot.
package dingtalk

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
	perMinute = 20               // the robot's documented limit
	banned    = 10 * time.Minute // how long a robot is held back that went over it
	maxBody   = 20_000           // bytes; a longer message is refused (460101)
)

// Options are the `dingtalk` entry of a channel in the configuration file.
type Options struct {
	URLFile    secret.File `yaml:"url_file"`              // holds the robot's webhook, https://oapi.dingtalk.com/robot/send?access_token=…; required
	SecretFile secret.File `yaml:"secret_file,omitempty"` // holds the robot's signing secret, SEC…; default: messages are not signed
	AllowHTTP  bool        `yaml:"allow_http,omitempty"`  // permit http:// for an address that is not a loopback one
}

// Check implements [notify.Opener].
func (o *Options) Check() []fault.Problem {
	return append(post.Check("url_file", o.URLFile, o.AllowHTTP), o.SecretFile.Check("secret_file")...)
}

// Open implements [notify.Opener].
func (o *Options) Open(env notify.Env) (notify.Channel, error) {
	return post.Robot{
		Vendor: "DingTalk", PerMinute: perMinute, URLFile: o.URLFile, AllowHTTP: o.AllowHTTP,
		Verdicts: verdicts(), Compose: o.compose,
	}.Open(env)
}

// compose is [post.Robot]'s.
func (o *Options) compose(r *post.Request, m notify.Message) error {
	if o.SecretFile != "" {
		key, err := o.SecretFile.Read()
		if err != nil {
			return err
		}
		at := strconv.FormatInt(time.Now().UnixMilli(), 10)
		q := r.URL.Query()
		q.Set("timestamp", at)
		q.Set("sign", sign(at, key))
		r.URL.RawQuery, r.Secrets = q.Encode(), []string{key.Reveal()}
	}
	r.Body = body(m.Fit(maxBody, func(m notify.Message) int { return len(body(m)) }))
	return nil
}

// sign is the documented signature: the secret signs the time in milliseconds
// and itself.
func sign(at string, key secret.Value) string {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write([]byte(at + "\n" + key.Reveal()))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// body is the message as the robot takes it.
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
	text.WriteString("> " + notify.Unmarked(m.Foot))
	return post.Encode(map[string]any{
		"msgtype":  "markdown",
		"markdown": map[string]string{"title": m.Title, "text": text.String()},
	})
}

// verdicts are the robot's documented codes.
func verdicts() map[int]post.Verdict {
	const gone = "the robot is gone or stopped: put its new webhook into url_file"
	throttled := post.Verdict{Reason: fault.Throttled, RetryAfter: banned, Hint: "the robot is held back for ten minutes: does something else write through it?"}
	return map[int]post.Verdict{
		-1:     {Reason: fault.Unavailable},
		130101: throttled,
		410100: throttled,
		310000: {Reason: fault.Credentials, Hint: "the robot's security settings refuse it: put its signing secret into secret_file, or allow the keyword packseal or this machine's address; a signature is good for an hour, so look at the clock too"},
		300001: {Reason: fault.Credentials, Hint: gone},
		400101: {Reason: fault.Credentials, Hint: gone},
		400102: {Reason: fault.Credentials, Hint: gone},
		400106: {Reason: fault.Credentials, Hint: gone},
		460101: {Reason: fault.TooLarge},
	}
}
