package webhook

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packseal.example/internal/secret"
	"packseal.example/notify"
	"packseal.example/notify/notifytest"
)

// TestSign holds the signature against one that OpenSSL made.
func TestSign(t *testing.T) {
	t.Parallel()
	const want = "2a5c7df7260f18b035764383854975db40d57206b0e9cbba5c7a8fdf4be461a2"
	if got := sign("SECexample0123456789", "1700000000", []byte(`{"title":"packseal"}`)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func file(t *testing.T, content string) secret.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return secret.File(path)
}

var gap = notify.Message{
	ID: "01", Tone: notify.Bad, Title: "packseal: 1 pack: gap", Foot: "host",
	Parts:  []notify.Part{{Head: "Gap", Lines: []string{`say "A" & <B>`}}},
	Events: []notify.Event{{Kind: notify.Gap, Source: "prod", Pack: "cp-1", Reason: "missed", Due: time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)}},
}

// send sends the message with a template and returns the body that came.
func send(t *testing.T, template string) string {
	t.Helper()
	s := &notifytest.Server{Token: "token-01", Secret: "secret-01"}
	o := &Options{URLFile: file(t, s.Address("http://127.0.0.1", notifytest.Webhook)), SecretFile: file(t, s.Secret), Template: template}
	if problems := o.Check(); len(problems) > 0 {
		t.Fatal(problems)
	}
	c, err := o.Open(notify.Env{Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), gap); err != nil {
		t.Fatal(err)
	}
	return s.Taken(notifytest.Webhook)[0].Text
}

func TestBody(t *testing.T) {
	t.Parallel()
	var whole map[string]any
	if err := json.Unmarshal([]byte(send(t, "")), &whole); err != nil {
		t.Fatal(err)
	}
	event := whole["events"].([]any)[0].(map[string]any)
	if whole["title"] != gap.Title || whole["tone"] != "bad" || !strings.Contains(whole["text"].(string), `say "A" & <B>`) || event["due"] != "2026-01-02T03:00:00Z" || event["reason"] != "missed" {
		t.Errorf("got %v", whole)
	}
	got := send(t, `{"s": {{json .Title}}, "p": [{{range $i, $e := .Events}}{{if $i}}, {{end}}{{json $e.Pack}}{{end}}]{{with .Digest}}, "n": {{.Sealed}}{{end}}}`)
	if want := `{"s": "packseal: 1 pack: gap", "p": ["cp-1"]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A template is tried when the configuration is checked, on news and on a
// digest.
func TestCheckTriesTheTemplate(t *testing.T) {
	t.Parallel()
	url := file(t, "https://example.com/hook")
	for template, want := range map[string]string{
		"{{.Title":          "unclosed action",
		"{{.Colour}}":       "Colour",
		"{{nothing .}}":     `function "nothing" not defined`,
		"{{.Digest.Packs}}": "nil pointer",
	} {
		problems := (&Options{URLFile: url, Template: template}).Check()
		if len(problems) != 1 || problems[0].Path != "template" || !strings.Contains(problems[0].Message, want) || problems[0].Hint == "" {
			t.Errorf("%s: %+v", template, problems)
		}
	}
}

func TestAuthorization(t *testing.T) {
	t.Parallel()
	var header http.Header
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		http.Error(w, "no "+r.Header.Get("Authorization")[7:], http.StatusForbidden)
	}))
	t.Cleanup(web.Close)
	o := &Options{URLFile: file(t, web.URL), AuthorizationFile: file(t, "Bearer Mk7391qZ-bearer"), ContentType: "text/plain"}
	c, err := o.Open(notify.Env{UserAgent: "packseal/test"})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Send(t.Context(), gap)
	if err == nil || strings.Contains(err.Error(), "Mk7391qZ") || !strings.Contains(err.Error(), "403: no (secret)") {
		t.Errorf("got %v", err)
	}
	if header.Get("Authorization") != "Bearer Mk7391qZ-bearer" || header.Get("Content-Type") != "text/plain" || header.Get("User-Agent") != "packseal/test" || header.Get(headerSignature) != "" {
		t.Errorf("sent with %v", header)
	}
}
