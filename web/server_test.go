package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"iter"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"packseal.example/internal/evidence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(*Options){
		"Logger":   func(o *Options) { o.Logger = nil },
		"Gatherer": func(o *Options) { o.Gatherer = nil },
		"Packs":    func(o *Options) { o.Packs = nil },
		"Records":  func(o *Options) { o.Records = nil },
		"Ready":    func(o *Options) { o.Ready = nil },
	} {
		opts := options(0)
		remove(&opts)
		if _, err := New(opts); err == nil || !strings.Contains(err.Error(), name+" is required") {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// running is a server at work, and what asks it.
type running struct {
	addr   string
	client *http.Client
	stop   context.CancelFunc
	ended  chan error
}

// run starts a server on a free port; it ends with the test at the latest.
func run(t *testing.T, opts Options, configFile string, trust *x509.CertPool) *running {
	t.Helper()
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}}
	r := &running{l.Addr().String(), &http.Client{Transport: transport}, stop, make(chan error, 1)}
	go func() {
		r.ended <- s.Run(ctx, l, configFile)
		close(r.ended)
	}()
	t.Cleanup(func() {
		stop()
		<-r.ended
		transport.CloseIdleConnections()
	})
	return r
}

// get returns the status and the body.
func (r *running) get(t *testing.T, url, user, password string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		request.SetBasicAuth(user, password)
	}
	answer, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestRunWithTLSAndPasswords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pool := certificate(t, dir)
	config := filepath.Join(dir, "web.yaml")
	// The password is "sesame", at bcrypt's lowest cost.
	write(t, config, "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {auditor: "+hash+"}\n")
	r := run(t, options(0, sealedPack("cp-a", "MLPS")), config, pool)
	for _, test := range []struct {
		user, password string
		want           int
	}{{"", "", 401}, {"auditor", "wrong", 401}, {"nobody", "sesame", 401}, {"auditor", "sesame", 200}} {
		code, body := r.get(t, "https://"+r.addr+"/", test.user, test.password)
		if code != test.want || strings.Contains(body, "MLPS") != (test.want == 200) {
			t.Errorf("%s with %q: %d, want %d", test.user, test.password, code, test.want)
		}
	}
	if code, _ := r.get(t, "http://"+r.addr+"/", "auditor", "sesame"); code != http.StatusBadRequest {
		t.Errorf("without TLS: %d", code)
	}
}

func TestRunRefusesABadConfigFile(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "web.yaml")
	write(t, config, "tls_server_config: {cert_file: none.pem, key_file: none.pem}\n")
	for _, file := range []string{config, config + ".none"} {
		r := run(t, options(0), file, nil)
		if err := <-r.ended; err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("Run: %v", err)
		}
		if conn, err := net.Dial("tcp", r.addr); err == nil {
			conn.Close()
			t.Error("the listener is still open")
		}
	}
}

func TestRunLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	opts := options(0, sealedPack("cp-a", ""))
	inside, leave := make(chan bool), make(chan bool)
	opts.Records = func(ctx context.Context, q Query) iter.Seq2[evidence.Record, error] {
		return func(yield func(evidence.Record, error) bool) {
			close(inside)
			<-leave
			yield(record(q.Source, q.Pack, 0), ctx.Err()) // an end that cuts the context would show here
		}
	}
	r := run(t, opts, "", nil)
	answer := make(chan string, 1)
	go func() {
		_, body := r.get(t, "http://"+r.addr+"/packs/prod/cp-a", "", "")
		answer <- body
	}()
	<-inside
	r.stop()
	for { // new ones are refused while the old one is still under way
		conn, err := net.Dial("tcp", r.addr)
		if err != nil {
			break
		}
		conn.Close()
	}
	select {
	case err := <-r.ended:
		t.Fatalf("Run ended before the request: %v", err)
	default:
	}
	close(leave)
	wantAll(t, <-answer, "o/0.xls", "</html>")
	if err := <-r.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestRunThatIsStoppedAtOnce(t *testing.T) {
	t.Parallel()
	for range 20 {
		r := run(t, options(0), "", nil)
		r.stop()
		if err := <-r.ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// hash is bcrypt's of "sesame".
const hash = "$2a$04$7QfFsRxt8au0bmnmsyzDvePU1lY.Gq1kUrfDP7BiNv2nRG7WjzggK"

// certificate writes cert.pem and key.pem for 127.0.0.1 and returns who trusts them.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	write(t, filepath.Join(dir, "cert.pem"), string(certPEM))
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return pool
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
