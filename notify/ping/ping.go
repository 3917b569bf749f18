// Package ping calls a dead man's switch: a service that raises an alarm when it
// has not been called for too long. It follows the conventions of Healthchecks,
// where /fail after the address reports a known failure.
package ping

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/internal/units"
	"packseal.example/notify"
	"packseal.example/notify/post"
)

const (
	defaultEvery = 5 * time.Minute
	minEvery     = 10 * time.Second
)

// Options are the `ping` entry of a channel in the configuration file.
type Options struct {
	URLFile   secret.File   `yaml:"url_file"`             // holds the address to ping, such as https://hc-ping.com/…; required
	Every     time.Duration `yaml:"every,omitempty"`      // how often; at least 10s; default 5m
	Method    string        `yaml:"method,omitempty"`     // POST, whose body says what is wrong, or GET; default POST
	Silent    bool          `yaml:"silent,omitempty"`     // send nothing when something is wrong, for services without /fail; default false
	AllowHTTP bool          `yaml:"allow_http,omitempty"` // permit http:// for an address that is not a loopback one
}

// Check implements [notify.Opener].
func (o *Options) Check() []fault.Problem {
	problems := post.Check("url_file", o.URLFile, o.AllowHTTP)
	if o.Every != 0 && o.Every < minEvery {
		problems = append(problems, fault.Problem{Path: "every", Message: units.FormatDuration(o.Every) + " is too short", Hint: "use 10s or more"})
	}
	if o.Method != "" && o.Method != http.MethodGet && o.Method != http.MethodPost {
		problems = append(problems, fault.Problem{Path: "method", Message: fmt.Sprintf("%.64q is neither GET nor POST", o.Method), Hint: "leave it out"})
	}
	return problems
}

// Open implements [notify.Opener].
func (o *Options) Open(env notify.Env) (notify.Channel, error) {
	client, err := post.New(env)
	return &channel{*o, client}, err
}

type channel struct {
	Options
	post *post.Client
}

// Traits implements [notify.Channel].
func (c *channel) Traits() notify.Traits {
	return notify.Traits{PerMinute: 20, Heartbeat: cmp.Or(c.Every, defaultEvery)}
}

// Send implements [notify.Channel]: a message with a bad tone is a failure.
func (c *channel) Send(ctx context.Context, m notify.Message) error {
	u, err := post.Address(c.URLFile, c.AllowHTTP)
	switch {
	case err != nil:
		return err
	case m.Tone == notify.Bad && c.Silent:
		return nil
	case m.Tone == notify.Bad:
		u = u.JoinPath("fail")
	}
	r := post.Request{URL: u, Method: cmp.Or(c.Method, http.MethodPost)}
	if r.Method == http.MethodPost {
		r.Header, r.Body = http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, []byte(m.Text())
	}
	return c.post.Do(ctx, r)
}
