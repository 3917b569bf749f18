package notifytest_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/notify"
	"packseal.example/notify/dingtalk"
	"packseal.example/notify/feishu"
	"packseal.example/notify/notifytest"
	"packseal.example/notify/ntfy"
	"packseal.example/notify/pagerduty"
	"packseal.example/notify/ping"
	"packseal.example/notify/slack"
	"packseal.example/notify/teams"
	"packseal.example/notify/telegram"
	"packseal.example/notify/webhook"
	"packseal.example/notify/wecom"
)

const (
	token = "Mk7391qZ-token"
	key   = "SEC-Mk7391qZ+key/="
)

// file writes a secret.
func file(t *testing.T, content string) secret.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return secret.File(path)
}

// opener is a receiver's channel on a server at that address, with a secret if it
// takes one.
func opener(t *testing.T, receiver, base, token, key string) notify.Opener {
	t.Helper()
	address := (&notifytest.Server{Token: token}).Address(base, receiver)
	var sign secret.File
	if key != "" {
		sign = file(t, key+"\n")
	}
	switch url := file(t, address+"\n"); receiver {
	case notifytest.DingTalk:
		return &dingtalk.Options{URLFile: url, SecretFile: sign}
	case notifytest.Feishu:
		return &feishu.Options{URLFile: url, SecretFile: sign}
	case notifytest.WeCom:
		return &wecom.Options{URLFile: url}
	case notifytest.Webhook:
		return &webhook.Options{URLFile: url, SecretFile: sign}
	case notifytest.Slack:
		return &slack.Options{URLFile: url}
	case notifytest.Teams:
		return &teams.Options{URLFile: url}
	case notifytest.Ntfy:
		return &ntfy.Options{URLFile: url, TokenFile: sign}
	case notifytest.Telegram:
		return &telegram.Options{TokenFile: file(t, token), Chat: "-100123", Topic: 7, Endpoint: address}
	case notifytest.PagerDuty:
		return &pagerduty.Options{KeyFile: file(t, token), Endpoint: address}
	default:
		return &ping.Options{URLFile: url}
	}
}

// open opens a channel that must be in order.
func open(t *testing.T, o notify.Opener, transport http.RoundTripper) notify.Channel {
	t.Helper()
	if problems := o.Check(); len(problems) > 0 {
		t.Fatalf("%T: %v", o, problems)
	}
	c, err := o.Open(notify.Env{UserAgent: "packseal/test", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// message has n lines of what could be taken for markup.
func message(n int) notify.Message {
	m := notify.Message{ID: "0011223344556677", Time: time.Now(), Tone: notify.Bad, Title: "packseal: 14 packs: gap / 14 个合规包报告缺失", Foot: "host, 2026-11-25 10:00", Instance: "host"}
	m.Links = []notify.Link{{Text: "MLPS", URL: "https://packseal.example.com/packs/prod/cp-1?a_b#c"}}
	m.Events = []notify.Event{{Kind: notify.Gap, Source: "prod", Pack: "cp-1"}}
	for i := range n {
		m.Parts = append(m.Parts, notify.Part{Head: fmt.Sprintf("缺失 <b>%d</b>", i), Lines: []string{"[等保三级](https://example.com) <@all> *x* `y`\\"}})
	}
	return m
}

func TestDelivers(t *testing.T) {
	t.Parallel()
	for _, receiver := range notifytest.Receivers() {
		for _, secret := range []string{"", key} {
			s := &notifytest.Server{Token: token, Secret: secret}
			web := httptest.NewServer(s)
			t.Cleanup(web.Close)
			c := open(t, opener(t, receiver, web.URL, token, secret), nil)
			if err := c.Send(t.Context(), message(3)); err != nil {
				t.Errorf("%s, secret %q: %v", receiver, secret, err)
				continue
			}
			got := s.Taken(receiver)[0]
			wants := []string{"等保三级", "host, 2026", "缺失", "https://packseal.example.com/packs/prod/cp-1?a_b#c"}
			if receiver == notifytest.Ping {
				wants = wants[:3]
			}
			for _, want := range wants {
				if !strings.Contains(got.Text, want) {
					t.Errorf("%s: no %q in %s", receiver, want, got.Text)
				}
			}
			marked := strings.NewReplacer("[MLPS](https", "", "<https://packseal.example.com/packs/prod/cp-1?a_b#c|MLPS>", "").Replace(got.Text)
			if slices.Contains([]string{notifytest.DingTalk, notifytest.WeCom, notifytest.Slack, notifytest.Teams}, receiver) && strings.ContainsAny(strings.TrimPrefix(marked, ">"), "[]`@\\") {
				t.Errorf("%s: markup in %s", receiver, got.Text)
			}
			if (receiver == notifytest.Webhook) != (got.ID == "0011223344556677") {
				t.Errorf("%s: ID %q", receiver, got.ID)
			}
		}
	}
}

// TestRefusals: each receiver's answer is classified, has a hint where a person
// must act, and gives no secret away, though the receiver repeats them.
func TestRefusals(t *testing.T) {
	t.Parallel()
	known := fmt.Sprintf("no access for %[1]s, see /robot/send?access_token=%[1]s", token)
	echo := known + " with " + url.QueryEscape(key) // where the sender has it
	for _, c := range []struct {
		receiver, token, key string
		status               int // 0: as the receiver itself answers
		body                 string
		want                 fault.Reason
	}{
		{notifytest.DingTalk, token, "wrong-secret", 0, "", fault.Credentials},
		{notifytest.DingTalk, "another-token", key, 0, "", fault.Credentials},
		{notifytest.DingTalk, token, key, 200, `{"errcode":130101,"errmsg":"send too fast"}`, fault.Throttled},
		{notifytest.DingTalk, token, key, 200, `{"errcode":460101,"errmsg":"message too long"}`, fault.TooLarge},
		{notifytest.DingTalk, token, key, 200, `{"errcode":-1,"errmsg":"` + echo + `"}`, fault.Unavailable},
		{notifytest.DingTalk, token, key, 200, "<html>log in, " + echo, fault.Damaged},
		{notifytest.Feishu, token, "wrong-secret", 0, "", fault.Credentials},
		{notifytest.Feishu, "another-token", key, 0, "", fault.Credentials},
		{notifytest.Feishu, token, key, 200, `{"code":11232,"msg":"frequency limited"}`, fault.Throttled},
		{notifytest.Feishu, token, key, 400, `{"code":9499,"msg":"` + echo + `"}`, fault.Throttled},
		{notifytest.Feishu, token, key, 400, `{"code":9499,"msg":"Bad Request","data":{}}`, fault.Request},
		{notifytest.Feishu, token, key, 400, `{"code":19021,"msg":"` + echo + `"}`, fault.Credentials},
		{notifytest.Feishu, token, key, 400, `{"code":77,"msg":"` + echo + `"}`, fault.Unavailable},
		{notifytest.Feishu, token, key, 400, `{"code":0,"msg":"` + echo + `"}`, fault.Request},
		{notifytest.Feishu, token, key, 429, `{"code":77,"msg":"` + echo + `"}`, fault.Unavailable},
		{notifytest.Feishu, token, key, 400, "<html>" + echo, fault.Request},
		{notifytest.DingTalk, token, key, 200, `{"errcode":4242,"errmsg":"` + echo + `"}`, fault.Unavailable},
		{notifytest.DingTalk, token, key, 503, `{"errcode":310000,"errmsg":"` + echo + `"}`, fault.Credentials},
		{notifytest.WeCom, "another-token", "", 0, "", fault.Credentials},
		{notifytest.WeCom, token, "", 200, `{"errcode":45009,"errmsg":"` + known + `"}`, fault.Throttled},
		{notifytest.WeCom, token, "", 502, known, fault.Unavailable},
		{notifytest.Webhook, token, "wrong-secret", 0, "", fault.Credentials},
		{notifytest.Webhook, "another-token", key, 0, "", fault.NotFound},
		{notifytest.Webhook, token, key, 302, echo, fault.NotFound},
		{notifytest.Webhook, token, key, 400, echo, fault.Request},
		{notifytest.Webhook, token, key, 422, echo, fault.Request},
		{notifytest.Webhook, token, key, 407, echo, fault.Unavailable},
		{notifytest.Webhook, token, key, 409, echo, fault.Unavailable},
		{notifytest.Webhook, token, key, 413, echo, fault.TooLarge},
		{notifytest.Webhook, token, key, 429, echo, fault.Throttled},
		{notifytest.Webhook, token, key, 503, echo, fault.Unavailable},
		{notifytest.Ping, "another-token", "", 0, "", fault.NotFound},
		{notifytest.Slack, "another-token", "", 0, "", fault.Credentials},
		{notifytest.Slack, token, "", 404, "no_service " + known, fault.NotFound},
		{notifytest.Slack, token, "", 400, "invalid_payload " + known, fault.Request},
		{notifytest.Slack, token, "", 429, known, fault.Throttled},
		{notifytest.Teams, "another-token", "", 0, "", fault.Credentials},
		{notifytest.Teams, token, "", 400, `{"error":{"code":"WorkflowTriggerIsNotEnabled","message":"` + known + `"}}`, fault.NotFound},
		{notifytest.Teams, token, "", 413, known, fault.TooLarge},
		{notifytest.Telegram, "another-token", "", 0, "", fault.Credentials},
		{notifytest.Telegram, token, "", 403, `{"ok":false,"error_code":403,"description":"Forbidden: bot was kicked, ` + known + `"}`, fault.Denied},
		{notifytest.Telegram, token, "", 400, `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`, fault.NotFound},
		{notifytest.Telegram, token, "", 429, `{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":7}}`, fault.Throttled},
		{notifytest.Telegram, token, "", 400, `{"ok":false,"error_code":400,"description":"Bad Request: message is too long"}`, fault.TooLarge},
		{notifytest.Telegram, token, "", 400, `{"ok":false,"error_code":400,"description":"Bad Request: other ` + known + `"}`, fault.Request},
		{notifytest.Telegram, token, "", 409, `{"ok":false,"error_code":409,"description":"Conflict: other ` + known + `"}`, fault.Unavailable},
		{notifytest.Telegram, token, "", 200, "<html>" + known, fault.Damaged},
		{notifytest.Telegram, token, "", 502, known, fault.Unavailable},
		{notifytest.Ntfy, "another-token", key, 0, "", fault.Credentials},
		{notifytest.Ntfy, token, "wrong-secret", 0, "", fault.Credentials},
		{notifytest.Ntfy, token, key, 507, echo, fault.Unavailable},
		{notifytest.PagerDuty, "another-token", "", 0, "", fault.Credentials},
		{notifytest.PagerDuty, token, "", 400, `{"status":"invalid event","errors":["` + known + `"]}`, fault.Request},
		{notifytest.PagerDuty, token, "", 429, known, fault.Throttled},
	} {
		s := &notifytest.Server{Token: token, Secret: key}
		if c.status > 0 {
			s.Refuse(c.receiver, 1, c.status, c.body, http.Header{"Retry-After": {"7"}, "Location": {"https://example.com/" + token}})
		}
		web := httptest.NewServer(s)
		t.Cleanup(web.Close)
		err := open(t, opener(t, c.receiver, web.URL, c.token, c.key), nil).Send(t.Context(), message(1))
		name := fmt.Sprintf("%s, %s, %s, %d %s", c.receiver, c.token, c.key, c.status, c.body)
		if fault.Of(err) != c.want {
			t.Errorf("%s: %v is %q, want %q", name, err, fault.Of(err), c.want)
			continue
		}
		if fault.Hint(err) == "" && (c.want == fault.Credentials || c.want == fault.NotFound) {
			t.Errorf("%s: no hint", name)
		}
		if c.status == 429 && fault.RetryAfter(err) != 7*time.Second {
			t.Errorf("%s: asks to wait %s", name, fault.RetryAfter(err))
		}
		for _, secret := range []string{token, "another-token", key, "Mk7391qZ"} {
			if said := err.Error() + fault.Hint(err); strings.Contains(said, secret) {
				t.Errorf("%s: %q gives a secret away", name, said)
			}
		}
	}
}

// TestPortal: a page is not what a vendor answers, whatever its status.
func TestPortal(t *testing.T) {
	t.Parallel()
	for _, receiver := range notifytest.Receivers() {
		if receiver == notifytest.Webhook || receiver == notifytest.Ping { // any 2xx is theirs
			continue
		}
		s := &notifytest.Server{Token: token, Secret: key}
		s.Refuse(receiver, 1, 200, "\n<!DOCTYPE html><title>Sign in</title>", nil)
		c := open(t, opener(t, receiver, "http://127.0.0.1", token, key), s)
		if err := c.Send(t.Context(), message(1)); fault.Of(err) != fault.Damaged || fault.Hint(err) == "" {
			t.Errorf("%s took a page for a response: %v", receiver, err)
		}
	}
}

// TestUnreachable: neither a refused connection nor a certificate nor a hang
// gives an address away.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	stranger := httptest.NewUnstartedServer(nil)
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	stranger.StartTLS()
	t.Cleanup(stranger.Close)
	for _, base := range []string{closed.URL, stranger.URL, "http://localhost:1"} {
		for _, receiver := range notifytest.Receivers() {
			err := open(t, opener(t, receiver, base, token, key), nil).Send(t.Context(), message(1))
			if fault.Of(err) != fault.Unavailable || fault.Hint(err) == "" || strings.Contains(err.Error()+fault.Hint(err), "Mk7391qZ") {
				t.Errorf("%s at %s: %v (%s), hint %q", receiver, base, err, fault.Of(err), fault.Hint(err))
			}
		}
	}
}

// TestLongMessages: what is over a vendor's limit is cut, and says so.
func TestLongMessages(t *testing.T) {
	t.Parallel()
	s := &notifytest.Server{Token: token}
	for _, receiver := range []string{notifytest.DingTalk, notifytest.Feishu, notifytest.WeCom, notifytest.Slack, notifytest.Teams, notifytest.Telegram, notifytest.Ntfy} {
		c := open(t, opener(t, receiver, "http://127.0.0.1", token, ""), s)
		for n := 1; n <= 1000; n *= 10 {
			if err := c.Send(t.Context(), message(n)); err != nil {
				t.Fatalf("%s, %d parts: %v", receiver, n, err)
			}
		}
		got := s.Taken(receiver)
		if longest := got[len(got)-1].Text; len(longest) < 3000 || !strings.Contains(longest, "…") || !strings.Contains(longest, "host, 2026") {
			t.Errorf("%s: of 1,000 parts came %d bytes: …%s", receiver, len(longest), longest[len(longest)-100:])
		}
	}
}

func TestPings(t *testing.T) {
	t.Parallel()
	s := &notifytest.Server{Token: token}
	url := file(t, s.Address("http://127.0.0.1", notifytest.Ping))
	well, ill := message(0), message(0)
	well.Tone = notify.Good
	for _, o := range []*ping.Options{{URLFile: url}, {URLFile: url, Method: "GET"}, {URLFile: url, Silent: true}} {
		c := open(t, o, s)
		for _, m := range []notify.Message{well, ill} {
			if err := c.Send(t.Context(), m); err != nil {
				t.Error(err)
			}
		}
	}
	var got []string
	for _, d := range s.Taken(notifytest.Ping) {
		got = append(got, d.Path)
		if body := strings.HasPrefix(d.Path, "POST"); body != strings.Contains(d.Text, well.Title) {
			t.Errorf("%s carries %q", d.Path, d.Text)
		}
	}
	want := fmt.Sprintf("[POST /ping/%[1]s POST /ping/%[1]s/fail GET /ping/%[1]s GET /ping/%[1]s/fail POST /ping/%[1]s]", token)
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	for _, o := range []*ping.Options{{URLFile: url, Every: time.Second}, {URLFile: url, Method: "PUT"}, {}} {
		if len(o.Check()) != 1 {
			t.Errorf("%+v is in order", o)
		}
	}
}

// TestRates: notices that come as fast as they can never meet a robot's limit.
func TestRates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &notifytest.Server{Token: token, Secret: key}
		var entries []notify.Entry
		robots := []string{notifytest.DingTalk, notifytest.Feishu, notifytest.WeCom}
		for _, receiver := range robots {
			c := open(t, opener(t, receiver, "http://127.0.0.1", token, key), s)
			entries = append(entries, notify.Entry{Name: receiver, Channel: c, Group: time.Millisecond})
		}
		n, err := notify.New(notify.Options{
			Logger: slog.New(slog.DiscardHandler), Health: func() error { return nil },
			Overdue: func() []notify.Event { return nil }, Problems: func() map[string]int { return nil },
			Digest: func(context.Context, notify.Match, time.Time, time.Time) (notify.Digest, error) {
				return notify.Digest{}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		n.Update(entries)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- n.Run(ctx) }()
		for i := range 1000 {
			now := time.Now().UTC()
			n.Gap(notify.Event{Source: "prod", Pack: fmt.Sprintf("cp-%d", i), Due: now.Truncate(time.Second), At: now, Reason: "missed"})
			time.Sleep(150 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for _, receiver := range robots {
			if taken, tried := len(s.Taken(receiver)), s.Tried(receiver); taken != tried || taken < 30 {
				t.Errorf("%s took %d messages of %d", receiver, taken, tried)
			}
		}
	})
}
