// Package ntfy sends notices to a topic of ntfy, on ntfy.sh or a server of one's
// own.
package ntfy

import (
	"net/url"
	"path"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/notify"
	"packseal.example/notify/post"
)

const (
	perMinute  = 12   // what ntfy.sh lets everybody send, after the first 60
	maxMessage = 4000 // bytes; longer ones than 4096 become attachments
	maxActions = 3
)

// Options are the `ntfy` entry of a channel in the configuration file.
type Options struct {
	URLFile   secret.File `yaml:"url_file"`             // holds the topic's address, such as https://ntfy.sh/topic; required
	TokenFile secret.File `yaml:"token_file,omitempty"` // holds an access token, tk_…; default: the topic is open
	AllowHTTP bool        `yaml:"allow_http,omitempty"` // permit http:// for an address that is not a loopback one
}

// Check implements [notify.Opener].
func (o *Options) Check() []fault.Problem {
	problems := fault.Problems(post.Check("url_file", o.URLFile, o.AllowHTTP))
	if len(problems) == 0 {
		_, _, err := o.topic()
		problems.Require(err == nil, "url_file", "the address has no topic", "the topic is the last part: https://ntfy.sh/topic")
	}
	return append(problems, o.TokenFile.Check("token_file")...)
}

// Open implements [notify.Opener].
func (o *Options) Open(env notify.Env) (notify.Channel, error) {
	return post.Receiver{PerMinute: perMinute, Compose: o.compose}.Open(env)
}

// topic returns the server's address and the topic.
func (o *Options) topic() (*url.URL, string, error) {
	u, err := post.Address(o.URLFile, o.AllowHTTP)
	if err != nil {
		return nil, "", err
	}
	topic := path.Base(u.Path)
	if topic == "/" || topic == "." {
		return nil, "", fault.New(fault.Credentials, "%s contains an address without a topic", o.URLFile)
	}
	return u.JoinPath(".."), topic, nil
}

// view is a button that opens a page.
type view struct {
	Action string `json:"action"`
	Label  string `json:"label"`
	URL    string `json:"url"`
}

// compose is [post.Receiver]'s.
func (o *Options) compose(m notify.Message) ([]post.Request, error) {
	u, topic, err := o.topic()
	if err != nil {
		return nil, err
	}
	m = m.Fit(maxMessage, func(m notify.Message) int { return len(m.Body()) })
	body := map[string]any{
		"topic": topic, "title": m.Title, "message": m.Body(),
		"priority": map[notify.Tone]int{notify.Bad: 4, notify.Good: 3, notify.Plain: 3}[m.Tone],
		"tags":     []string{map[notify.Tone]string{notify.Bad: "warning", notify.Good: "white_check_mark", notify.Plain: "page_facing_up"}[m.Tone]},
	}
	var actions []view
	for _, l := range m.Links[:min(len(m.Links), maxActions)] {
		actions = append(actions, view{"view", l.Text, l.URL})
	}
	if len(actions) > 0 {
		body["click"], body["actions"] = actions[0].URL, actions
	}
	r := post.JSON(u, body)
	r.Secrets = []string{topic}
	if o.TokenFile != "" {
		token, err := o.TokenFile.Read()
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+token.Reveal())
		r.Secrets = append(r.Secrets, token.Reveal())
	}
	return []post.Request{r}, nil
}
