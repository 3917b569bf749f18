package egress

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// serve runs a TLS server of at most that version, and returns the file of
// the certificate that it is known by.
func serve(t *testing.T, newest uint16, h http.HandlerFunc) (server *httptest.Server, ca string) {
	t.Helper()
	server = httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: newest}
	server.StartTLS()
	t.Cleanup(server.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return server, ca
}

// get requests the URL.
func get(t *testing.T, o Options, url string) (string, error) {
	t.Helper()
	transport, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func hello(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") } //nolint:errcheck // the caller hung up

func TestVersions(t *testing.T) {
	t.Parallel()
	for version, refused := range map[uint16]string{
		tls.VersionTLS13: "", tls.VersionTLS12: "",
		tls.VersionTLS11: "protocol version", tls.VersionTLS10: "protocol version",
	} {
		server, ca := serve(t, version, hello)
		got, err := get(t, Options{CAFile: ca}, server.URL)
		switch {
		case refused == "" && (err != nil || got != "hello"):
			t.Errorf("%s: %q, %v", tls.VersionName(version), got, err)
		case refused != "" && (err == nil || !strings.Contains(err.Error(), refused)):
			t.Errorf("%s is not refused: %v", tls.VersionName(version), err)
		}
	}
}

// An unknown CA is refused. The CAs of the file are added to the system's.
func TestCA(t *testing.T) {
	t.Parallel()
	server, ca := serve(t, tls.VersionTLS13, hello)
	if _, err := get(t, Options{}, server.URL); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("an unknown CA: %v", err)
	}
	roots, err := load(ca)
	if err != nil {
		t.Fatal(err)
	}
	system, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	if system.AddCert(server.Certificate()); !roots.Equal(system) {
		t.Error("the system's CAs are lost")
	}
	if problems := CheckCA("ca_file", ca); len(problems) > 0 {
		t.Error(problems)
	}
}

func TestCheckCA(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{"empty": "", "text": "no certificate", "large": strings.Repeat("x", maxCA+1)} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if p := CheckCA("ca_file", file); len(p) != 1 || p[0].Path != "ca_file" || p[0].Hint == "" {
			t.Errorf("%s: %+v", name, p)
		}
		if _, err := New(Options{CAFile: file}); err == nil {
			t.Errorf("%s is trusted", name)
		}
	}
	for _, file := range []string{dir, filepath.Join(dir, "none")} {
		if p := CheckCA("ca_file", file); len(p) != 1 {
			t.Errorf("%s: %+v", file, p)
		}
	}
	if p := CheckCA("ca_file", ""); len(p) > 0 {
		t.Errorf("no file: %+v", p)
	}
}

func TestHeadersAreBounded(t *testing.T) {
	t.Parallel()
	server, ca := serve(t, tls.VersionTLS13, func(w http.ResponseWriter, _ *http.Request) {
		for range 2 * maxHeader >> 10 {
			w.Header().Add("X-Long", strings.Repeat("x", 1<<10))
		}
	})
	if _, err := get(t, Options{CAFile: ca}, server.URL); err == nil {
		t.Errorf("headers of %d bytes are read", 2*maxHeader)
	}
}

// TestEnvironment runs itself as a process with another environment, because
// net/http reads the proxy variables only once.
func TestEnvironment(t *testing.T) {
	if url := os.Getenv("PACKSEAL_TEST_URL"); url != "" {
		if got, err := get(t, Options{}, url); err != nil || got != "hello" {
			t.Errorf("%q, %v", got, err)
		}
		return
	}
	t.Parallel()
	secure, ca := serve(t, tls.VersionTLS13, hello)
	var asked string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.RequestURI
		hello(w, r)
	}))
	t.Cleanup(proxy.Close)
	for _, c := range []struct{ env, url string }{
		{"SSL_CERT_FILE=" + ca, secure.URL},
		{"HTTP_PROXY=" + proxy.URL, "http://store.example/x"},
	} {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestEnvironment$")
		again.Env = append(os.Environ(), c.env, "PACKSEAL_TEST_URL="+c.url, "NO_PROXY=")
		if out, err := again.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", c.env, err, out)
		}
	}
	if asked != "http://store.example/x" {
		t.Errorf("the proxy was asked for %q", asked)
	}
}
