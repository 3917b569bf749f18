// Package pagerduty raises and resolves incidents of PagerDuty: one for each pack
// with a gap, an overdue or a blocked slot, which ends when the pack has recovered;
// one for problems that verification finds; and one for a refused configuration.
package pagerduty

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/notify"
	"packseal.example/notify/post"
)

const (
	official  = "https://events.pagerduty.com"
	perMinute = 6  // messages
	maxEvents = 20 // of one message, so that there are 120 requests a minute
	maxText   = 1000
	maxKey    = 255
)

// Options are the `pagerduty` entry of a channel in the configuration file.
type Options struct {
	KeyFile   secret.File `yaml:"key_file"`             // holds the integration key of an Events API v2 integration; required
	Endpoint  string      `yaml:"endpoint,omitempty"`   // https://events.eu.pagerduty.com for accounts in Europe; default https://events.pagerduty.com
	AllowHTTP bool        `yaml:"allow_http,omitempty"` // permit an http:// endpoint that is not a loopback one
}

// Check implements [notify.Opener].
func (o *Options) Check() []fault.Problem {
	problems := post.CheckSecret("key_file", o.KeyFile, "the integration key of an Events API v2 integration")
	return append(problems, post.CheckEndpoint("endpoint", o.Endpoint, o.AllowHTTP)...)
}

// Open implements [notify.Opener].
func (o *Options) Open(env notify.Env) (notify.Channel, error) {
	return post.Receiver{PerMinute: perMinute, Events: maxEvents, Incidents: true, Compose: o.compose, Result: result}.Open(env)
}

// incident is an event of the API.
type incident struct {
	RoutingKey string   `json:"routing_key"`
	Action     string   `json:"event_action"` // trigger or resolve
	Key        string   `json:"dedup_key"`
	Payload    *payload `json:"payload,omitempty"` // of a trigger
	Links      []link   `json:"links,omitempty"`
}

type payload struct {
	Summary   string            `json:"summary"`
	Source    string            `json:"source"`
	Severity  string            `json:"severity"`
	Timestamp string            `json:"timestamp"`
	Component string            `json:"component,omitempty"`
	Details   map[string]string `json:"custom_details"`
}

type link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// compose is [post.Receiver]'s.
func (o *Options) compose(m notify.Message) ([]post.Request, error) {
	key, err := o.KeyFile.Read()
	if err != nil {
		return nil, err
	}
	u, err := post.Endpoint(o.Endpoint, official)
	if err != nil {
		return nil, err
	}
	var requests []post.Request
	for _, i := range incidents(m) {
		i.RoutingKey = key.Reveal()
		r := post.JSON(u.JoinPath("v2", "enqueue"), i)
		r.Secrets = []string{key.Reveal()}
		requests = append(requests, r)
	}
	return requests, nil
}

// incidents returns what a message comes to: for each incident its last event.
func incidents(m notify.Message) (all []incident) {
	switch {
	case m.Test: // nobody is to be paged for long
		return []incident{trigger(m, "packseal/test", "info", m.Title), resolve("packseal/test")}
	case m.Digest != nil:
		return []incident{trigger(m, "packseal/digest/"+m.ID, "info", m.Title)}
	}
	for _, e := range m.Events {
		i := of(m, e)
		all = append(slices.DeleteFunc(all, func(before incident) bool { return before.Key == i.Key }), i)
	}
	return all
}

// of returns the incident of an event.
func of(m notify.Message, e notify.Event) incident {
	key := "packseal/" + e.Source + "/" + e.Pack
	summary := summary(m, e)
	switch e.Kind {
	case notify.Recovered:
		return resolve(key)
	case notify.Problems:
		key = "packseal/" + m.Instance + "/verify"
		if len(e.Counts) == 0 {
			return resolve(key)
		}
		return trigger(m, key, "critical", summary)
	case notify.ReloadFailed:
		return trigger(m, "packseal/"+m.Instance+"/reload", "warning", summary)
	case notify.Blocked:
		return trigger(m, key, "critical", summary)
	}
	return trigger(m, key, "error", summary)
}

// summary returns an incident's summary: the message's title, if that is about this
// event alone.
func summary(m notify.Message, e notify.Event) string {
	switch {
	case len(m.Events) == 1:
		return m.Title
	case e.Kind == notify.Problems:
		return "packseal: verification found problems"
	case e.Kind == notify.ReloadFailed:
		return "packseal: configuration not loaded"
	}
	return fmt.Sprintf("packseal: %s: %s, due %s", e.Kind, cmp.Or(e.Name, e.Pack), notify.LocalTime(e.Due, e.Zone))
}

// trigger raises an incident.
func trigger(m notify.Message, key, severity, summary string) incident {
	i := incident{Action: "trigger", Key: short(key), Payload: &payload{
		Summary: clip(summary), Source: m.Instance, Severity: severity, Timestamp: m.Time.UTC().Format(time.RFC3339),
		Component: "packseal", Details: map[string]string{"text": m.Text()},
	}}
	for _, l := range m.Links {
		i.Links = append(i.Links, link{l.URL, l.Text})
	}
	return i
}

// resolve ends one.
func resolve(key string) incident { return incident{Action: "resolve", Key: short(key)} }

// clip cuts a summary.
func clip(text string) string {
	if utf8.RuneCountInString(text) > maxText {
		text = string([]rune(text)[:maxText]) + "…"
	}
	return text
}

// short returns the key, or a digest of one that is too long.
func short(key string) string {
	if len(key) > maxKey {
		sum := sha256.Sum256([]byte(key))
		key = "packseal/" + hex.EncodeToString(sum[:])
	}
	return key
}

// result is [post.Receiver]'s. A wrong key is a bad request.
func result(r post.Request, res post.Response) error {
	if text := bytes.ToLower(res.Body); res.Status == http.StatusBadRequest && (bytes.Contains(text, []byte("routing")) || bytes.Contains(text, []byte("integration key"))) {
		return fault.New(fault.Credentials, "PagerDuty refuses the integration key: %s", r.Redact(strings.TrimSpace(string(res.Body)))).
			WithHint("put the key of an Events API v2 integration into key_file, and set endpoint for an account in Europe")
	}
	return r.Status(res)
}
