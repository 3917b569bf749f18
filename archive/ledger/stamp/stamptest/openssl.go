package stamptest

import (
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// OpenSSL is an authority that answers with `openssl ts -reply`. It is an
// http.Handler.
type OpenSSL struct {
	Root []byte         // PEM
	Pool *x509.CertPool // of Root

	dir string
	mu  sync.Mutex // it has one file of serial numbers
}

// settings are what openssl needs to make the certificates, and to reply.
const settings = `[req]
distinguished_name = none
[none]
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
[signer]
extendedKeyUsage = critical,timeStamping
keyUsage = critical,digitalSignature
[tsa]
serial = serial
signer_cert = signer.pem
signer_key = signer.key
signer_digest = sha256
digests = sha256
default_policy = 1.2.3.4.1
accuracy = secs:1
`

// Need skips the test where there is no openssl; CI has to have it.
func Need(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("PACKSEAL_CI") != "" {
			t.Fatal(err)
		}
		t.Skip("there is no openssl")
	}
}

// NewOpenSSL makes an authority whose signatures name their certificate by that hash.
// "sha1", which is openssl's default, is the older form of that attribute.
func NewOpenSSL(t testing.TB, alg string) *OpenSSL {
	t.Helper()
	Need(t)
	o := &OpenSSL{dir: t.TempDir()}
	conf := settings
	if alg != "sha1" {
		conf += "ess_cert_id_alg = " + alg + "\n"
	}
	for name, text := range map[string]string{"conf": conf, "serial": "01\n"} {
		if err := os.WriteFile(filepath.Join(o.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range []string{
		"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -out root.pem -subj /CN=root -config conf -extensions root -days 2",
		"req -newkey rsa:2048 -nodes -keyout signer.key -out signer.csr -subj /CN=tsa -config conf",
		"x509 -req -in signer.csr -CA root.pem -CAkey root.key -set_serial 2 -out signer.pem -extfile conf -extensions signer -days 1",
	} {
		o.run(t, strings.Fields(args)...)
	}
	var err error
	if o.Root, err = os.ReadFile(filepath.Join(o.dir, "root.pem")); err != nil {
		t.Fatal(err)
	}
	o.Pool = x509.NewCertPool()
	o.Pool.AppendCertsFromPEM(o.Root)
	return o
}

func (o *OpenSSL) run(t testing.TB, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	cmd.Dir = o.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v: %s", args[0], err, out)
	}
}

// Reply answers a query.
func (o *OpenSSL) Reply(t testing.TB, query []byte) []byte {
	t.Helper()
	resp, err := o.reply(query)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func (o *OpenSSL) reply(query []byte) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := os.WriteFile(filepath.Join(o.dir, "query"), query, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command("openssl", "ts", "-reply", "-queryfile", "query", "-config", "conf", "-section", "tsa", "-out", "reply") //nolint:noctx // a test's, of milliseconds
	cmd.Dir = o.dir
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(o.dir, "reply"))
}

// ServeHTTP answers a query.
func (o *OpenSSL) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query, err := io.ReadAll(r.Body)
	if err == nil && r.Header.Get("Content-Type") != "application/timestamp-query" {
		http.Error(w, "not a query", http.StatusUnsupportedMediaType)
		return
	}
	var resp []byte
	if err == nil {
		resp, err = o.reply(query)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/timestamp-reply")
	w.Write(resp) //nolint:errcheck // the client has gone
}
