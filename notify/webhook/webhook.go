// Package webhook sends notices to any receiver of HTTP requests, as JSON or
// rendered by a template, signed with a shared secret.
package webhook

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"text/template"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/notify"
	"packseal.example/notify/post"
)

// The headers of a request.
const (
	headerID        = "X-Packseal-Id"        // identifies the message: the same ID is a repetition
	headerTimestamp = "X-Packseal-Timestamp" // when it was signed, in seconds
	headerSignature = "X-Packseal-Signature" // sha256=<hex>
)

// Options are the `webhook` entry of a channel in the configuration file.
type Options struct {
	URLFile           secret.File `yaml:"url_file"`                     // holds the receiver's address; required
	SecretFile        secret.File `yaml:"secret_file,omitempty"`        // holds the secret that messages are signed with; default: they are not signed
	AuthorizationFile secret.File `yaml:"authorization_file,omitempty"` // holds the value of the Authorization header, such as "Bearer …"; default none
	Template          string      `yaml:"template,omitempty"`           // the body, as a template of Go's text/template; default: the whole message as JSON
	ContentType       string      `yaml:"content_type,omitempty"`       // of the body; default application/json
	AllowHTTP         bool        `yaml:"allow_http,omitempty"`         // permit http:// for an address that is not a loopback one
}

// Check implements [notify.Opener].
func (o *Options) Check() []fault.Problem {
	problems := append(post.Check("url_file", o.URLFile, o.AllowHTTP), o.SecretFile.Check("secret_file")...)
	problems = append(problems, o.AuthorizationFile.Check("authorization_file")...)
	t, err := parse(o.Template)
	for _, m := range []notify.Message{{Events: []notify.Event{{}}}, {Digest: &notify.Digest{}}} {
		if err == nil {
			_, err = render(t, m) // with events and with a digest: it must work for both
		}
	}
	if err != nil {
		problems = append(problems, fault.Problem{Path: "template", Message: err.Error(), Hint: `for example '{"text": {{json .Text}}}'; docs/notices.md lists the fields`})
	}
	return problems
}

// Open implements [notify.Opener].
func (o *Options) Open(env notify.Env) (notify.Channel, error) {
	t, err := parse(o.Template)
	if err != nil {
		return nil, err
	}
	client, err := post.New(env)
	return &channel{*o, client, t}, err
}

type channel struct {
	Options
	post     *post.Client
	template *template.Template // nil = JSON
}

// Traits implements [notify.Channel].
func (*channel) Traits() notify.Traits { return notify.Traits{PerMinute: 60} }

// Send implements [notify.Channel].
func (c *channel) Send(ctx context.Context, m notify.Message) error {
	u, err := post.Address(c.URLFile, c.AllowHTTP)
	if err != nil {
		return err
	}
	r := post.Request{URL: u, Header: make(http.Header)}
	if r.Body, err = render(c.template, m); err != nil {
		return fault.Wrap(fault.Request, err)
	}
	r.Header.Set("Content-Type", cmp.Or(c.ContentType, "application/json"))
	r.Header.Set(headerID, m.ID)
	if c.SecretFile != "" {
		key, err := c.SecretFile.Read()
		if err != nil {
			return err
		}
		at := strconv.FormatInt(time.Now().Unix(), 10)
		r.Header.Set(headerTimestamp, at)
		r.Header.Set(headerSignature, "sha256="+sign(key, at, r.Body))
		r.Secrets = append(r.Secrets, key.Reveal())
	}
	if c.AuthorizationFile != "" {
		value, err := c.AuthorizationFile.Read()
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", value.Reveal())
		r.Secrets = append(r.Secrets, strings.Fields(value.Reveal())...)
	}
	return c.post.Do(ctx, r)
}

// sign returns the HMAC-SHA256 of "<timestamp>.<body>" in hex. With the timestamp
// signed, an old message cannot be replayed as a new one.
func sign(key secret.Value, at string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	fmt.Fprintf(mac, "%s.%s", at, body)
	return hex.EncodeToString(mac.Sum(nil))
}

// parse parses a template. An empty one is nil.
func parse(text string) (*template.Template, error) {
	if text == "" {
		return nil, nil
	}
	json := func(v any) string { return string(post.Encode(v)) }
	return template.New("template").Option("missingkey=error").Funcs(template.FuncMap{"json": json}).Parse(text)
}

// message is what the body is rendered from: the whole message, and its text.
type message struct {
	notify.Message
	Text string `json:"text"`
}

// render returns the body.
func render(t *template.Template, m notify.Message) ([]byte, error) {
	whole := message{m, m.Text()}
	if t == nil {
		return post.Encode(whole), nil
	}
	var b bytes.Buffer
	err := t.Execute(&b, whole)
	return b.Bytes(), err
}
