package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"packseal.example/test/lab"
)

// health runs the verb and returns its exit code and all that it said.
func health(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var said bytes.Buffer
	code := run(t.Context(), append([]string{"health", "--timeout", lab.Patience.String()}, args...), &said, &said)
	return code, said.String()
}

// TestHealthOfADaemon asks a real one, while it runs and when it is gone.
func TestHealthOfADaemon(t *testing.T) {
	t.Parallel()
	live := startRun(t, lab.Setup{}.Write(t))
	if code, said := health(t, "--url", live.url); code != 0 || said != "healthy\n" {
		t.Errorf("alive: %d, %s", code, said)
	}
	for code, said := health(t, "--ready", "--url", live.url); code != 0; code, said = health(t, "--ready", "--url", live.url) {
		if code != exitFailed || !strings.Contains(said, "not ready") {
			t.Fatalf("starting: %d, %s", code, said)
		}
	}
	live.stop()
	code, said := health(t, "--url", live.url)
	if code != exitFailed || !strings.Contains(said, "asking for health") || !strings.Contains(said, "hint: is packseal running") {
		t.Errorf("gone: %d, %s", code, said)
	}
}

func TestHealthOfAnswers(t *testing.T) {
	t.Parallel()
	answer := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
			io.WriteString(w, body) //nolint:errcheck // the test sees it
		}
	}
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		args    []string
		code    int
		said    string
	}{
		"good":               {answer(200, "healthy\n"), nil, 0, "healthy\n"},
		"bad":                {answer(503, "not ready: starting\nhint: wait\n"), []string{"--ready"}, 1, "503 Service Unavailable: not ready: starting\nhint: wait"},
		"a password":         {answer(401, "Unauthorized"), nil, 0, "behind a password"},
		"a password in ask":  {answer(401, "Unauthorized"), []string{"--ready"}, 1, "401 Unauthorized"},
		"somebody else's":    {answer(302, ""), nil, 1, "302 Found"},
		"nothing":            {silent, []string{"--timeout", "50ms"}, 1, "deadline exceeded"},
		"an endless answer":  {answer(404, strings.Repeat("x", 1<<20)), nil, 1, "404 Not Found: xxx"},
		"a user in the link": {answer(200, ""), []string{"--url", "http://me:MARKED@127.0.0.1"}, 2, "without a user"},
		"no link":            {answer(200, ""), []string{"--url", "127.0.0.1:9797"}, 2, "--url takes"},
	} {
		for _, start := range []func(http.Handler) *httptest.Server{httptest.NewServer, httptest.NewTLSServer} {
			server := start(c.handler)
			t.Cleanup(server.Close)
			code, said := health(t, append([]string{"--insecure", "--url", server.URL}, c.args...)...)
			if code != c.code || !strings.Contains(said, c.said) || len(said) > 1000 || strings.Contains(said, "MARKED") {
				t.Errorf("%s: ended with %d and said %s", name, code, said)
			}
		}
	}
}

// TestHealthAsks holds the paths that are asked for.
func TestHealthAsks(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, r.Method, r.URL) }))
	t.Cleanup(server.Close)
	for want, args := range map[string][]string{
		"GET /-/healthy":    {"--url", server.URL},
		"GET /-/ready":      {"--url", server.URL + "/", "--ready"},
		"GET /here/-/ready": {"--url", server.URL + "/here", "--ready"},
	} {
		if code, said := health(t, args...); code != 0 || said != want+"\n" {
			t.Errorf("%v: %d, %s", args, code, said)
		}
	}
}

// TestHealthChecksCertificates: of a page that nobody vouches for.
func TestHealthChecksCertificates(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the refusal
	server.StartTLS()
	t.Cleanup(server.Close)
	if code, said := health(t, "--url", server.URL); code != exitFailed || !strings.Contains(said, "x509") {
		t.Errorf("%d, %s", code, said)
	}
}

// TestHealthOfTheConfiguration: the page is asked where the configuration has it,
// whatever else is wrong with that, and with a password where there is one.
func TestHealthOfTheConfiguration(t *testing.T) {
	t.Parallel()
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "probe" || password != "MARKED password" {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	plain := httptest.NewServer(page)
	t.Cleanup(plain.Close)
	private := httptest.NewUnstartedServer(page)
	private.Config.ErrorLog = log.New(io.Discard, "", 0)
	private.StartTLS()
	t.Cleanup(private.Close)
	dir := t.TempDir()
	lab.Write(t, dir, map[string]string{"web.yaml": "{}", "password": "MARKED password\n", "wrong": "MARKED wrong"})
	written := func(name, web string) string {
		path := filepath.Join(dir, name)
		lab.Write(t, dir, map[string]string{name: "packs: [{id: cp-1, unknown: key}]\nweb: {" + web + "}\n"})
		return path
	}
	overTLS := written("tls.yaml", "config_file: web.yaml, listen: "+strconv.Quote(private.Listener.Addr().String()))
	overHTTP := written("http.yaml", "config_file: web.yaml, listen: "+strconv.Quote(plain.Listener.Addr().String()))
	given := []string{"--user", "probe", "--password-file", filepath.Join(dir, "password")}
	for name, c := range map[string]struct {
		args []string
		code int
		said string
	}{
		"alive":          {[]string{"--config", overTLS}, 0, "healthy, behind a password\n"},
		"alive, HTTP":    {[]string{"--config", overHTTP}, 0, "healthy, behind a password\n"},
		"not known":      {[]string{"--config", overHTTP, "--ready"}, exitFailed, "hint: --user and --password-file"},
		"ready":          {append(given, "--config", overTLS, "--ready"), 0, "ready\n"},
		"ready, HTTP":    {append(given, "--config", overHTTP, "--ready"), 0, "ready\n"},
		"ready, by URL":  {append(given, "--url", plain.URL, "--ready"), 0, "ready\n"},
		"wrong password": {[]string{"--config", overTLS, "--user", "probe", "--password-file", filepath.Join(dir, "wrong")}, exitFailed, "refuses user probe"},
		"no password":    {[]string{"--user", "probe"}, exitUsage, "password-file"},
		"no file":        {[]string{"--config", overTLS, "--user", "probe", "--password-file", filepath.Join(dir, "nowhere")}, exitUsage, "nowhere"},
		"in the clear":   {append(given, "--url", "http://192.0.2.1"), exitUsage, "over https alone"},
		"to anybody":     {append(given, "--url", "https://192.0.2.1", "--insecure"), exitUsage, "a certificate that is checked"},
		"no port":        {[]string{"--config", written("port.yaml", `listen: "127.0.0.1:0"`)}, exitUsage, "name it with --url"},
		"no file there":  {[]string{"--config", filepath.Join(dir, "nowhere.yaml")}, exitUsage, "nowhere.yaml"},
	} {
		code, said := health(t, c.args...)
		if code != c.code || !strings.Contains(said, c.said) || strings.Contains(said, "MARKED") {
			t.Errorf("%s: ended with %d and said %s", name, code, said)
		}
	}
}
