// Package notifytest is a DingTalk robot, a Feishu bot, a WeCom robot, a receiver
// of webhooks, a dead man's switch, and the like of Slack, Teams, Telegram, ntfy,
// PagerDuty and an SMTP server, that one can run. They hold
// what they get against what their vendors document: addresses, signatures,
// shapes, lengths and rates. Like the simulator it shares no code with the
// channels, so that a fault of theirs cannot hide in it.
package notifytest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"
)

// The receivers.
const (
	DingTalk = "dingtalk"
	Feishu   = "feishu"
	WeCom    = "wecom"
	Webhook  = "webhook"
	Ping     = "ping"

	Slack     = "slack"
	Teams     = "teams"
	Telegram  = "telegram"
	Ntfy      = "ntfy"
	PagerDuty = "pagerduty"
)

// Receivers lists them all.
func Receivers() []string {
	return []string{DingTalk, Feishu, WeCom, Webhook, Ping, Slack, Teams, Telegram, Ntfy, PagerDuty}
}

// Delivery is a message that a receiver took.
type Delivery struct {
	Title string // robots only
	Text  string // as it is shown; of webhooks and pings the whole body
	ID    string // of a webhook's message
	Path  string
	At    time.Time
}

// refusal is an answer that was asked for.
type refusal struct {
	status int
	body   string
	header http.Header
}

// Server is all the receivers. It is an http.Handler, and in a test without
// sockets an http.RoundTripper.
type Server struct {
	// Token is in every address, and Secret signs. Without a Secret nothing is
	// signed.
	Token, Secret string

	mu       sync.Mutex
	taken    map[string][]Delivery
	tried    map[string][]time.Time
	refusals map[string][]refusal
}

// Address returns the address of a receiver, below the server's own. That of
// Telegram and PagerDuty is no secret; their channels take the token.
func (s *Server) Address(base, receiver string) string {
	return base + map[string]string{
		DingTalk: "/robot/send?access_token=" + s.Token,
		Feishu:   "/open-apis/bot/v2/hook/" + s.Token,
		WeCom:    "/cgi-bin/webhook/send?key=" + s.Token,
		Webhook:  "/hook/" + s.Token,
		Ping:     "/ping/" + s.Token,
		Slack:    "/services/T0/B0/" + s.Token,
		Teams:    "/workflows/1/triggers/manual/paths/invoke?api-version=1&sig=" + s.Token,
		Ntfy:     "/" + s.Token,
		Telegram: "/telegram",
	}[receiver]
}

// Setting returns a receiver's entry in the configuration, with more settings if
// they begin with a comma, and what the file must hold that it names.
func (s *Server) Setting(base, receiver, file, more string) (entry, content string) {
	address := s.Address(base, receiver)
	switch receiver {
	case Telegram:
		return fmt.Sprintf(`telegram: {token_file: %s, chat: "-100123", endpoint: %q%s}`, file, address, more), s.Token
	case PagerDuty:
		return fmt.Sprintf("pagerduty: {key_file: %s, endpoint: %q%s}", file, address, more), s.Token
	}
	return fmt.Sprintf("%s: {url_file: %s%s}", receiver, file, more), address
}

// Taken returns what a receiver took, in that order.
func (s *Server) Taken(receiver string) []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Delivery(nil), s.taken[receiver]...)
}

// Tried returns how often a receiver was asked, with or without success.
func (s *Server) Tried(receiver string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tried[receiver])
}

// Refuse has a receiver answer so, n times.
func (s *Server) Refuse(receiver string, n, status int, body string, header http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusals == nil {
		s.refusals = make(map[string][]refusal)
	}
	for range n {
		s.refusals[receiver] = append(s.refusals[receiver], refusal{status, body, header})
	}
}

// ServeHTTP answers as the receivers do.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /robot/send", s.as(DingTalk, s.dingTalk))
	mux.HandleFunc("POST /open-apis/bot/v2/hook/{token}", s.as(Feishu, s.feishu))
	mux.HandleFunc("POST /cgi-bin/webhook/send", s.as(WeCom, s.weCom))
	mux.HandleFunc("POST /hook/{token}", s.as(Webhook, s.webhook))
	mux.HandleFunc("POST /services/T0/B0/{token}", s.as(Slack, s.slack))
	mux.HandleFunc("POST /workflows/1/triggers/manual/paths/invoke", s.as(Teams, s.teams))
	mux.HandleFunc("POST /telegram/{bot}/sendMessage", s.as(Telegram, s.telegram))
	mux.HandleFunc("POST /{$}", s.as(Ntfy, s.ntfy))
	mux.HandleFunc("POST /v2/enqueue", s.as(PagerDuty, s.pagerDuty))
	mux.HandleFunc("/ping/{token}", s.as(Ping, s.ping))
	mux.HandleFunc("/ping/{token}/fail", s.as(Ping, s.ping))
	mux.ServeHTTP(w, r)
}

// RoundTrip answers without a socket.
func (s *Server) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result(), r.Context().Err()
}

// receive judges a body: it returns what was taken, or what is wrong with it
// as the receiver's answer.
type receive func(r *http.Request, body []byte) (d Delivery, status int, answer string)

// as makes a handler of a receiver.
func (s *Server) as(receiver string, judge receive) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		now := time.Now()
		if s.tried == nil {
			s.tried, s.taken = make(map[string][]time.Time), make(map[string][]Delivery)
		}
		s.tried[receiver] = append(s.tried[receiver], now)
		if list := s.refusals[receiver]; len(list) > 0 {
			s.refusals[receiver] = list[1:]
			for name, values := range list[0].header {
				w.Header()[name] = values
			}
			w.WriteHeader(list[0].status)
			io.WriteString(w, list[0].body)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		d, status, answer := judge(r, body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, answer)
		if d.Path != "" {
			d.At = now
			s.taken[receiver] = append(s.taken[receiver], d)
		}
	}
}

// within counts the tries of the last while, this one included. It is called
// with mu held.
func (s *Server) within(receiver string, while time.Duration) (n int) {
	for _, at := range s.tried[receiver] {
		if time.Since(at) < while {
			n++
		}
	}
	return n
}

// isJSON reports whether a request says that its body is JSON in UTF-8.
func isJSON(r *http.Request) bool {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json" && (params["charset"] == "" || params["charset"] == "utf-8")
}

// webhook checks a signature as docs/notices.md says.
func (s *Server) webhook(r *http.Request, body []byte) (Delivery, int, string) {
	if r.PathValue("token") != s.Token {
		return Delivery{}, http.StatusNotFound, "no such hook"
	}
	if s.Secret != "" {
		at := r.Header.Get("X-Packseal-Timestamp")
		seconds, err := strconv.ParseInt(at, 10, 64)
		if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
			return Delivery{}, http.StatusUnauthorized, fmt.Sprintf("the time %q is off", at)
		}
		mac := hmac.New(sha256.New, []byte(s.Secret))
		mac.Write(bytes.Join([][]byte{[]byte(at), body}, []byte(".")))
		if r.Header.Get("X-Packseal-Signature") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			return Delivery{}, http.StatusUnauthorized, "the signature does not match"
		}
	}
	return Delivery{Text: string(body), ID: r.Header.Get("X-Packseal-Id"), Path: r.URL.Path}, http.StatusAccepted, ""
}

// ping takes any method, as Healthchecks does.
func (s *Server) ping(r *http.Request, body []byte) (Delivery, int, string) {
	if r.PathValue("token") != s.Token {
		return Delivery{}, http.StatusNotFound, "(not found)"
	}
	return Delivery{Text: string(body), Path: r.Method + " " + r.URL.Path}, http.StatusOK, "OK"
}

// hmacBase64 is the base64 of an HMAC-SHA256.
func hmacBase64(key, message string) string {
	mac := hmac.New(sha256.New, []byte(key))
	io.WriteString(mac, message)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
