// Package teams sends notices to Microsoft Teams, as adaptive cards to a workflow
// that is triggered by a webhook. The older connectors (webhook.office.com) are
// gone.
package teams

import (
	"bytes"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/notify"
	"packseal.example/notify/post"
)

const (
	perMinute = 60
	maxBody   = 24_000 // bytes; the documented limit is 28 KB
)

// Options are the `teams` entry of a channel in the configuration file.
type Options struct {
	URLFile   secret.File `yaml:"url_file"`             // holds the workflow's webhook, https://….powerplatform.com/…; required
	AllowHTTP bool        `yaml:"allow_http,omitempty"` // permit http:// for an address that is not a loopback one
}

// Check implements [notify.Opener].
func (o *Options) Check() []fault.Problem { return post.Check("url_file", o.URLFile, o.AllowHTTP) }

// Open implements [notify.Opener].
func (o *Options) Open(env notify.Env) (notify.Channel, error) {
	return post.Receiver{PerMinute: perMinute, Compose: o.compose, Result: result}.Open(env)
}

// compose is [post.Receiver]'s.
func (o *Options) compose(m notify.Message) ([]post.Request, error) {
	u, err := post.Address(o.URLFile, o.AllowHTTP)
	if err != nil {
		return nil, err
	}
	m = m.Fit(maxBody, func(m notify.Message) int { return len(post.Encode(card(m))) })
	return []post.Request{post.JSON(u, card(m))}, nil
}

// block is a paragraph of a card.
type block struct {
	Type    string `json:"type"`
	Text    string `json:"text"`
	Wrap    bool   `json:"wrap"`
	Weight  string `json:"weight,omitempty"`
	Size    string `json:"size,omitempty"`
	Color   string `json:"color,omitempty"`
	Spacing string `json:"spacing,omitempty"`
	Subtle  bool   `json:"isSubtle,omitempty"`
}

// action is a button that opens a page.
type action struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

// card returns the message as a workflow posts it.
func card(m notify.Message) any {
	color := map[notify.Tone]string{notify.Bad: "Attention", notify.Good: "Good", notify.Plain: "Accent"}
	body := []block{{Type: "TextBlock", Text: notify.Unmarked(m.Title), Wrap: true, Weight: "Bolder", Size: "Medium", Color: color[m.Tone]}}
	for _, p := range m.Parts {
		if p.Head != "" {
			body = append(body, block{Type: "TextBlock", Text: notify.Unmarked(p.Head), Wrap: true, Weight: "Bolder"})
		}
		for _, line := range p.Lines {
			body = append(body, block{Type: "TextBlock", Text: "• " + notify.Unmarked(line), Wrap: true, Spacing: "None"})
		}
	}
	body = append(body, block{Type: "TextBlock", Text: notify.Unmarked(m.Foot), Wrap: true, Size: "Small", Subtle: true})
	actions := []action{}
	for _, l := range m.Links {
		actions = append(actions, action{"Action.OpenUrl", l.Text, l.URL})
	}
	return map[string]any{"type": "message", "attachments": []any{map[string]any{
		"contentType": "application/vnd.microsoft.card.adaptive",
		"content": map[string]any{
			"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
			"body": body, "actions": actions, "msteams": map[string]string{"width": "Full"},
		},
	}}}
}

// result is [post.Receiver]'s. A workflow that is switched off says so, whatever
// the status.
func result(r post.Request, res post.Response) error {
	if bytes.Contains(res.Body, []byte("WorkflowTriggerIsNotEnabled")) {
		return fault.New(fault.NotFound, "%s: the workflow is switched off", r.URL.Host).WithHint("switch it on in Teams or Power Automate, or put another webhook into url_file")
	}
	return r.Status(res)
}
