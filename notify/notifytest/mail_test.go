package notifytest_test

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"packseal.example/internal/certfile/certtest"
	"packseal.example/internal/fault"
	"packseal.example/notify"
	"packseal.example/notify/mail"
	"packseal.example/notify/notifytest"
)

// serveMail runs a mail server with a certificate of a CA of its own, and returns
// a channel's options for it.
func serveMail(t *testing.T, m *notifytest.Mail) *mail.Options {
	t.Helper()
	ca, cert, keyFile := certtest.Issue(t, t.TempDir())
	pair, err := tls.LoadX509KeyPair(cert, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	m.Config = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	return listen(t, m, &mail.Options{CAFile: ca, From: "packseal <packseal@example.com>", To: []string{"合规 <compliance@example.com>", "audit@example.com"}})
}

// listen serves until the test ends.
func listen(t *testing.T, m *notifytest.Mail, o *mail.Options) *mail.Options {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) //nolint:errcheck // of a test
	go m.Serve(l)
	o.Server = l.Addr().String()
	return o
}

// TestMail: a mail is sent once, encrypted and after a login, with a title that
// may be Chinese.
func TestMail(t *testing.T) {
	t.Parallel()
	for _, implicit := range []bool{false, true} {
		m := &notifytest.Mail{User: "packseal", Password: key, Implicit: implicit}
		o := serveMail(t, m)
		o.Username, o.PasswordFile = "packseal", file(t, key+"\n")
		if implicit {
			o.TLS = "implicit"
		}
		sent := message(2)
		if err := open(t, o, nil).Send(t.Context(), sent); err != nil {
			t.Fatalf("implicit %t: %v", implicit, err)
		}
		all := m.Taken()
		if len(all) != 1 || !all[0].TLS || !all[0].Password || len(all[0].To) != 2 || !strings.Contains(all[0].From, "<packseal@example.com>") {
			t.Fatalf("implicit %t: took %+v", implicit, all)
		}
		got := all[0]
		if got.Subject != sent.Title || !strings.Contains(strings.ReplaceAll(got.Text, "\r\n", "\n"), sent.Body()) {
			t.Errorf("%q: %s", got.Subject, got.Text)
		}
		for name, want := range map[string]string{"Message-Id": "<0011223344556677@packseal.host>", "Auto-Submitted": "auto-generated", "Importance": "high", "User-Agent": "packseal/test"} {
			if got := got.Header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	}
	plain := new(notifytest.Mail)
	o := listen(t, plain, &mail.Options{TLS: "none", From: "a@example.com", To: []string{"b@example.com"}})
	if err := open(t, o, nil).Send(t.Context(), message(1)); err != nil || len(plain.Taken()) != 1 {
		t.Errorf("without TLS: %v, took %v", err, plain.Taken())
	}
}

// TestMailRefusals: what the server answers is classified, and gives no password
// away; nothing is sent in clear text unless that is asked for.
func TestMailRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		server   *notifytest.Mail
		password string
		change   func(*mail.Options)
		want     fault.Reason
	}{
		"wrong password":     {server: &notifytest.Mail{User: "packseal", Password: key}, password: "another-secret", want: fault.Credentials},
		"no such recipient":  {server: &notifytest.Mail{Refuse: map[string]string{"RCPT": "550 5.1.1 no such user"}}, want: fault.Denied},
		"no such sender":     {server: &notifytest.Mail{Refuse: map[string]string{"MAIL": "553 5.7.1 not your address"}}, want: fault.Denied},
		"try later":          {server: &notifytest.Mail{Refuse: map[string]string{"MAIL": "451 4.7.1 greylisted"}}, want: fault.Unavailable},
		"too large":          {server: &notifytest.Mail{Refuse: map[string]string{".": "552 5.3.4 message too big"}}, want: fault.TooLarge},
		"taken for spam":     {server: &notifytest.Mail{Refuse: map[string]string{".": "554 5.7.1 spam"}}, want: fault.Request},
		"not to be trusted":  {server: &notifytest.Mail{}, change: func(o *mail.Options) { o.CAFile = "" }, want: fault.Unavailable},
		"STARTTLS is broken": {server: &notifytest.Mail{Refuse: map[string]string{"STARTTLS": "454 not now"}}, want: fault.Unavailable},
		"nobody there":       {server: &notifytest.Mail{}, change: func(o *mail.Options) { o.Server = "127.0.0.1:1" }, want: fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := serveMail(t, c.server)
			if c.password != "" {
				o.Username, o.PasswordFile = "packseal", file(t, c.password)
			}
			if c.change != nil {
				c.change(o)
			}
			err := open(t, o, nil).Send(t.Context(), message(1))
			if fault.Of(err) != c.want || len(c.server.Taken()) > 0 {
				t.Fatalf("%v is %q, want %q; took %v", err, fault.Of(err), c.want, c.server.Taken())
			}
			if said := err.Error() + fault.Hint(err); c.password != "" && strings.Contains(said, c.password) {
				t.Errorf("%q gives a secret away", said)
			}
			if hint := fault.Hint(err); hint == "" && c.want != fault.TooLarge {
				t.Error("no hint")
			}
		})
	}
	noTLS := new(notifytest.Mail)
	o := listen(t, noTLS, &mail.Options{From: "a@example.com", To: []string{"b@example.com"}})
	if err := open(t, o, nil).Send(t.Context(), message(1)); fault.Of(err) != fault.Unavailable || len(noTLS.Taken()) > 0 {
		t.Errorf("a server without STARTTLS: %v, took %v", err, noTLS.Taken())
	}
}

// TestMailHangs: a server that says nothing is not waited for beyond the context.
func TestMailHangs(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) //nolint:errcheck // of a test
	c := open(t, &mail.Options{Server: l.Addr().String(), From: "a@example.com", To: []string{"b@example.com"}}, nil)
	ctx, cancel := contextWithin(t, 50*time.Millisecond)
	defer cancel()
	if err := c.Send(ctx, message(1)); fault.Of(err) != fault.Canceled {
		t.Errorf("got %v, %s", err, fault.Of(err))
	}
}

// TestOptions: what is wrong with a channel's entry is found before it is used.
func TestOptions(t *testing.T) {
	t.Parallel()
	good := func() mail.Options {
		return mail.Options{Server: "smtp.example.com:587", From: "a@example.com", To: []string{"b@example.com"}}
	}
	for name, change := range map[string]func(*mail.Options){
		"":                 func(*mail.Options) {},
		"server":           func(o *mail.Options) { o.Server = "smtp.example.com" },
		"tls":              func(o *mail.Options) { o.TLS = "ssl" },
		"tls on the way":   func(o *mail.Options) { o.TLS = "none" },
		"from":             func(o *mail.Options) { o.From = "packseal" },
		"to":               func(o *mail.Options) { o.To = nil },
		"to[0]":            func(o *mail.Options) { o.To = []string{"nobody"} },
		"username":         func(o *mail.Options) { o.Username = "packseal" },
		"ca_file":          func(o *mail.Options) { o.CAFile = "/nowhere/ca.pem" },
		"username alone":   func(o *mail.Options) { o.PasswordFile = file(t, key) },
		"server's port":    func(o *mail.Options) { o.Server = "smtp.example.com:smtp" },
		"server's number":  func(o *mail.Options) { o.Server = "smtp.example.com:70000" },
		"from with breaks": func(o *mail.Options) { o.From = "a@example.com\r\nBcc: c@example.com" },
	} {
		o := good()
		change(&o)
		problems := o.Check()
		if name == "" && len(problems) > 0 {
			t.Errorf("found %v", problems)
		}
		if path, _, _ := strings.Cut(strings.TrimSuffix(name, "'s port"), " "); name != "" && (len(problems) != 1 || !strings.HasPrefix(path, problems[0].Path) || problems[0].Hint == "") {
			t.Errorf("%s: found %v", name, problems)
		}
	}
	for _, o := range []notify.Opener{
		opener(t, notifytest.Telegram, "http://example.com", token, ""), opener(t, notifytest.PagerDuty, "ftp://127.0.0.1", token, ""),
		opener(t, notifytest.Ntfy, "https://ntfy.sh", "", ""), opener(t, notifytest.Slack, "http://example.com", token, ""),
		opener(t, notifytest.Teams, "//", token, ""),
	} {
		if problems := o.Check(); len(problems) != 1 || problems[0].Hint == "" || strings.Contains(problems[0].Message, token) {
			t.Errorf("%T: found %v", o, problems)
		}
	}
	if problems := opener(t, notifytest.Telegram, "http://127.0.0.1", token, "").Check(); len(problems) > 0 {
		t.Errorf("found %v", problems)
	}
}
