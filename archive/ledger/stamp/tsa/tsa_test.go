package tsa_test

import (
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packseal.example/archive/ledger/stamp"
	"packseal.example/archive/ledger/stamp/stamptest"
	"packseal.example/archive/ledger/stamp/tsa"
	"packseal.example/internal/fault"
)

var checkpoint = []byte("example.com/packseal/test\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/packseal/test AAAA\n")

// client returns a client of a server with that handler, which trusts these roots.
func client(t testing.TB, h http.Handler, roots []byte) *tsa.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(file, roots, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := tsa.New(tsa.Options{Name: "tsa", URL: server.URL, CAFile: file, Agent: "packseal/test"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestOpenSSL: against `openssl ts -reply`, with both attributes that name a certificate.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"sha1", "sha256"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			authority := stamptest.NewOpenSSL(t, alg)
			c := client(t, authority, authority.Root)
			got, err := c.Stamp(t.Context(), checkpoint)
			if err != nil {
				t.Fatal(err)
			}
			if got.Offset < -5*time.Second || got.Offset > time.Minute || !strings.Contains(got.Authority, "CN=tsa") {
				t.Errorf("%+v", got)
			}
			if again, err := c.Verify(got.Raw, checkpoint); err != nil || !again.Time.Equal(got.Time) {
				t.Errorf("as it would be stored: %+v, %v", again, err)
			}
			if _, err := c.Verify(got.Raw, checkpoint[1:]); fault.Of(err) != fault.Damaged {
				t.Errorf("of another checkpoint: %v", err)
			}
		})
	}
}

// TestOffset: how far the clocks are apart.
func TestOffset(t *testing.T) {
	t.Parallel()
	authority := stamptest.New(t, "tsa.example")
	authority.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	got, err := client(t, authority, authority.Root).Stamp(t.Context(), checkpoint)
	if err != nil || got.Offset < time.Hour-time.Second || got.Offset > time.Hour+time.Minute {
		t.Errorf("the offset is %s, %v", got.Offset, err)
	}
}

// TestAnswers: what is refused, by reason and with a hint; nothing of it is returned.
func TestAnswers(t *testing.T) {
	t.Parallel()
	other := stamptest.New(t, "tsa.example")
	forged := func(forge func(*stamptest.Parts)) func(*stamptest.Authority) http.Handler {
		return func(a *stamptest.Authority) http.Handler { a.Forge = forge; return a }
	}
	status := func(code int, text string) func(*stamptest.Authority) http.Handler {
		return func(*stamptest.Authority) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "http://other.example/")
				w.WriteHeader(code)
				fmt.Fprint(w, text) //nolint:errcheck // the client has gone
			})
		}
	}
	for _, tt := range []struct {
		name   string
		answer func(*stamptest.Authority) http.Handler
		reason fault.Reason
		want   string
		hint   string
	}{
		{"another authority", func(*stamptest.Authority) http.Handler { return other }, fault.Damaged, "no root that is trusted", "ca_file"},
		{"without certificate", forged(func(p *stamptest.Parts) { p.Certificates = nil }), fault.Damaged, "not in it", ""},
		{"another nonce", forged(func(p *stamptest.Parts) { p.Info.Nonce = big.NewInt(7) }), fault.Damaged, "the nonce differs", ""},
		{"no nonce", forged(func(p *stamptest.Parts) { p.Info.Nonce = nil }), fault.Damaged, "the nonce differs", ""},
		{"another checkpoint", forged(func(p *stamptest.Parts) { p.Info.Imprint.Sum = make([]byte, 32) }), fault.Damaged, "other bytes", ""},
		{"not granted", forged(func(p *stamptest.Parts) { p.Status = 2 }), fault.Request, "refused", "documentation"},
		{"a page", status(200, "<html>login</html>"), fault.Damaged, `of type "text/html`, ""},
		{"too large", status(200, strings.Repeat("x", stamp.MaxSize+1)), fault.TooLarge, "larger than", "address"},
		{"throttled", status(429, "slow down"), fault.Throttled, `status 429: "slow down"`, "later"},
		{"denied", status(403, ""), fault.Denied, "status 403", "serves this machine"},
		{"elsewhere", status(302, ""), fault.NotFound, "status 302", "redirects"},
		{"wrong address", status(404, ""), fault.NotFound, "status 404", "address"},
		{"down", status(503, ""), fault.Unavailable, "status 503", ""},
		{"not understood", status(415, ""), fault.Request, "status 415", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			authority := stamptest.New(t, "tsa.example")
			got, err := client(t, tt.answer(authority), authority.Root).Stamp(t.Context(), checkpoint)
			if fault.Of(err) != tt.reason || !strings.Contains(fmt.Sprint(err), tt.want) || !strings.Contains(fault.Hint(err), tt.hint) || got.Raw != nil {
				t.Errorf("%q, %s, hint %q: want %s, %q, hint %q", err, fault.Of(err), fault.Hint(err), tt.reason, tt.want, tt.hint)
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	c, err := tsa.New(tsa.Options{Name: "tsa", URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Stamp(t.Context(), checkpoint); fault.Of(err) != fault.Unavailable || !strings.Contains(fault.Hint(err), "reached") {
		t.Errorf("%v, hint %q", err, fault.Hint(err))
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + "x"} {
		if _, err := tsa.New(tsa.Options{Name: "tsa", URL: "http://tsa.example", CAFile: file}); fault.Of(err) != fault.Request || fault.Hint(err) == "" || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", file, err)
		}
	}
	authority := stamptest.New(t, "tsa.example")
	system, err := tsa.New(tsa.Options{Name: "tsa", URL: "http://tsa.example"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := system.Verify(authority.Stamp(t, checkpoint, time.Now()), checkpoint); !errors.Is(err, stamp.ErrUntrusted) {
		t.Errorf("against the system's certificates: %v", err)
	}
}
