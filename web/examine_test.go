package web

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"packseal.example/internal/fault"
)

// examined compares the results for an address with what is wanted: mark, check
// and a part of the detail or hint.
func examined(t *testing.T, listen, configFile string, want ...string) {
	t.Helper()
	results := Examine(t.Context(), listen, configFile)
	if len(results) != len(want) {
		t.Fatalf("got %+v, want %q", results, want)
	}
	for i, r := range results {
		head, says, _ := strings.Cut(want[i], " ")
		if r.Mark()+r.Check != head || !strings.Contains(r.Detail+" "+r.Hint, says) {
			t.Errorf("got %+v, want %q", r, want[i])
		}
		if strings.Contains(r.Detail+r.Hint, hash) {
			t.Errorf("a password came out: %+v", r)
		}
	}
}

func TestExamineDaemon(t *testing.T) {
	t.Parallel()
	opts := options(0)
	r := run(t, opts, "", nil)
	examined(t, r.addr, "", "✓page the daemon at "+r.addr+" is ready")
	_, port, _ := net.SplitHostPort(r.addr)
	examined(t, ":"+port, "", "✓page is ready")
	opts.Ready = func() error { return errors.New("starting") }
	r = run(t, opts, "", nil)
	examined(t, r.addr, "", "✗page is not ready: starting")
	if got := Examine(t.Context(), r.addr, "")[0].Reason; got != fault.NotReady {
		t.Errorf("the reason is %s", got)
	}
}

func TestExamineTLSAndPasswords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certificate(t, dir)
	config := func(name, text string) string {
		file := filepath.Join(dir, name)
		write(t, file, text)
		return file
	}
	secure := config("tls.yaml", "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n")
	examined(t, run(t, options(0), secure, nil).addr, secure, "✓web-config are valid", "✓page is ready")
	both := config("both.yaml", "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {auditor: "+hash+"}\n")
	examined(t, run(t, options(0), both, nil).addr, both, "✓web-config are valid", "✓page asks for a password")
	password := config("password.yaml", "basic_auth_users: {auditor: "+hash+"}\n")
	examined(t, run(t, options(0), password, nil).addr, password, "✓web-config are valid", "✓page asks for a password")
	mutual := config("mutual.yaml", "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_auth_type: RequireAndVerifyClientCert, client_ca_file: cert.pem}\n")
	examined(t, run(t, options(0), mutual, nil).addr, mutual, "✓web-config are valid", "–page refuses doctor's requests")
	examined(t, "127.0.0.1:0", config("typo.yaml", "basic_auth_user: {auditor: "+hash+"}\n"), "✗web-config web.config_file must be", "✓page ")
	examined(t, "127.0.0.1:0", config("list.yaml", "basic_auth_users: [ "+hash+" ]\n"), "✗web-config ", "✓page ")
	examined(t, "127.0.0.1:0", config("plain.yaml", "basic_auth_users: {auditor: '`sesame`'}\n"), "✗web-config ", "✓page ")
	examined(t, "127.0.0.1:0", config("none.yaml", "tls_server_config: {cert_file: none.pem, key_file: none.pem}\n"), "✗web-config no such file", "✓page ")
}

func TestExamineOthers(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"another service": http.NotFound,
		"a password":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"another page":    func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>ready</html>") },
		"a redirect":      func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
	} {
		server := httptest.NewServer(h)
		examined(t, server.Listener.Addr().String(), "", "✗page another program than packseal")
		server.Close()
		if t.Failed() {
			t.Error(name)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { // takes connections and says nothing that is HTTP
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "220 mail\r\n")
			c.Close()
		}
	}()
	addr := l.Addr().String()
	examined(t, addr, "", "✗page set another address with web.listen")
	l.Close()
	examined(t, addr, "", "✓page no daemon is running at "+addr+", and the address is free")
	examined(t, "127.0.0.1:0", "", "✓page ")
}

// A TLS server that is no packseal does not pass for one whose file has none.
func TestExamineForeignTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(http.NotFound))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	examined(t, server.Listener.Addr().String(), "", "✗page address already in use")
}
