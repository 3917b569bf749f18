// Package mail sends notices by e-mail.
package mail

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"packseal.example/internal/egress"
	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/notify"
	"packseal.example/notify/post"
)

const (
	perMinute = 20
	timeout   = 30 * time.Second // of one command, and of connecting
)

// How the connection is encrypted.
const (
	startTLS = "starttls" // after STARTTLS, which the server must offer
	implicit = "implicit" // from its beginning
	none     = "none"
)

// Options are the `mail` entry of a channel in the configuration file.
type Options struct {
	Server       string      `yaml:"server"`                                                           // host and port of the SMTP server, such as smtp.example.com:587; required
	TLS          string      `yaml:"tls,omitempty" jsonschema:"enum=starttls,enum=implicit,enum=none"` // starttls, implicit, or none for a server on a loopback address; default implicit on port 465, else starttls
	CAFile       string      `yaml:"ca_file,omitempty"`                                                // PEM certificates to trust in addition to the system's
	Username     string      `yaml:"username,omitempty"`                                               // default: no authentication
	PasswordFile secret.File `yaml:"password_file,omitempty"`                                          // holds the password; required with username
	From         string      `yaml:"from"`                                                             // the sender, such as packseal@example.com or "packseal <packseal@example.com>"; required
	To           []string    `yaml:"to"`                                                               // the recipients; at least one
}

// Check implements [notify.Opener].
func (o *Options) Check() []fault.Problem {
	var problems fault.Problems
	host, port, err := net.SplitHostPort(o.Server)
	number, bad := strconv.Atoi(port)
	problems.Require(err == nil && bad == nil && host != "" && number > 0 && number < 1<<16, "server", "not a host and a port", "for example smtp.example.com:587")
	problems.Require(o.TLS == "" || o.TLS == startTLS || o.TLS == implicit || o.TLS == none, "tls", fmt.Sprintf("unknown value %.64q", o.TLS), "one of: starttls, implicit, none")
	loopback := host == "localhost" || net.ParseIP(host).IsLoopback()
	problems.Require(o.TLS != none || loopback, "tls", "messages and passwords would go in clear text", "none is for servers on a loopback address")
	problems.Require((o.Username == "") == (o.PasswordFile == ""), "username", "username and password_file go together", "set both, or none")
	_, err = mail.ParseAddress(o.From)
	problems.Require(err == nil, "from", fmt.Sprintf("%.200q is not an address", o.From), `for example "packseal <packseal@example.com>"`)
	problems.Require(len(o.To) > 0, "to", "missing", "to: [compliance@example.com]")
	for i, to := range o.To {
		_, err := mail.ParseAddress(to)
		problems.Require(err == nil, fmt.Sprintf("to[%d]", i), fmt.Sprintf("%.200q is not an address", to), "for example compliance@example.com")
	}
	return append(append(problems, egress.CheckCA("ca_file", o.CAFile)...), o.PasswordFile.Check("password_file")...)
}

// Open implements [notify.Opener].
func (o *Options) Open(env notify.Env) (notify.Channel, error) {
	rules, err := egress.New(egress.Options{CAFile: o.CAFile})
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(o.Server)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	c := &channel{Options: *o, agent: env.UserAgent, host: host, port: number, dial: rules.DialContext, tls: rules.TLSClientConfig}
	c.TLS = cmp.Or(c.TLS, map[bool]string{true: implicit, false: startTLS}[number == 465])
	c.tls.ServerName = host
	return c, nil
}

// channel sends each message on a connection of its own. There is no proxy on its
// way: proxies are for HTTP.
type channel struct {
	Options
	agent string
	host  string
	port  int
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	tls   *tls.Config
}

// Traits implements [notify.Channel].
func (*channel) Traits() notify.Traits { return notify.Traits{PerMinute: perMinute} }

// Send implements [notify.Channel].
func (c *channel) Send(ctx context.Context, m notify.Message) error {
	var password secret.Value
	if c.PasswordFile != "" {
		var err error
		if password, err = c.PasswordFile.Read(); err != nil {
			return err
		}
	}
	message, err := c.message(m)
	if err != nil {
		return fault.Wrap(fault.Request, err)
	}
	client, err := gomail.NewClient(c.host, c.options(ctx, password)...)
	if err != nil {
		return fault.New(fault.Request, "mail to %s: %s", c.Server, c.redact(err, password))
	}
	if err := client.DialAndSendWithContext(ctx, message); err != nil {
		if ctx.Err() != nil {
			return fault.New(fault.Canceled, "mail to %s: %w", c.Server, context.Cause(ctx))
		}
		return c.failure(err, password)
	}
	return nil
}

// options are those of the library.
func (c *channel) options(ctx context.Context, password secret.Value) []gomail.Option {
	all := []gomail.Option{
		gomail.WithPort(c.port), gomail.WithTimeout(timeout), gomail.WithTLSConfig(c.tls.Clone()), gomail.WithoutNoop(),
		gomail.WithTLSPolicy(gomail.TLSMandatory),
		gomail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
			conn, err := c.dial(dialing, network, address)
			if err != nil {
				return nil, err
			}
			context.AfterFunc(ctx, func() { conn.Close() }) //nolint:errcheck // it ends whatever goes on
			if c.TLS == implicit {
				conn = tls.Client(conn, c.tls.Clone())
			}
			return conn, nil
		}),
	}
	switch c.TLS {
	case implicit: // the connection is encrypted already: the library only has to see that
		all = append(all, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	case none:
		all = append(all, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if password != "" {
		all = append(all, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(c.Username), gomail.WithPassword(password.Reveal()))
	}
	return all
}

// message returns the mail. Its ID follows from the message's, so that a
// repetition can be recognized.
func (c *channel) message(m notify.Message) (*gomail.Msg, error) {
	message := gomail.NewMsg()
	if err := errors.Join(message.From(c.From), message.To(c.To...)); err != nil {
		return nil, err
	}
	message.Subject(m.Title)
	message.SetDateWithValue(m.Time)
	message.SetMessageIDWithValue(m.ID + "@packseal." + strings.Map(hostname, m.Instance))
	message.SetUserAgent(c.agent)
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	if m.Tone == notify.Bad {
		message.SetImportance(gomail.ImportanceHigh)
	}
	message.SetBodyString(gomail.TypeTextPlain, m.Body())
	return message, nil
}

// hostname leaves of a name what an ID may hold.
func hostname(r rune) rune {
	if r < 0x80 && (r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
		return r
	}
	return '-'
}

// failure classifies an error by the server's code, and by what it answered.
func (c *channel) failure(err error, password secret.Value) error {
	code, content := 0, false
	if e, ok := errors.AsType[*gomail.SendError](err); ok {
		code = e.ErrorCode()
		content = e.Reason == gomail.ErrSMTPDataClose || e.Reason == gomail.ErrSMTPData || e.Reason == gomail.ErrWriteContent
	}
	if e, ok := errors.AsType[*textproto.Error](err); ok {
		code = cmp.Or(code, e.Code)
	}
	reason, hint := fault.Unavailable, "check that "+c.Server+" is reachable from this machine, and that tls is what it offers"
	switch {
	case code >= 530 && code <= 538:
		reason, hint = fault.Credentials, "check username and the password in password_file"
	case code == 552:
		reason, hint = fault.TooLarge, ""
	case code >= 500 && content:
		reason, hint = fault.Request, "see the server's message and its log"
	case code >= 500:
		reason, hint = fault.Denied, "check from and to: may this server send mail from that sender to these recipients?"
	case code >= 400:
		hint = "the server asks to try again later"
	}
	return fault.New(reason, "mail to %s: %s", c.Server, c.redact(err, password)).WithHint("%s", hint)
}

// redact returns the text of an error without the password, on one line.
func (c *channel) redact(err error, password secret.Value) string {
	text := err.Error()
	if password != "" {
		text = strings.ReplaceAll(text, password.Reveal(), "(secret)")
	}
	return post.Clean(text)
}
