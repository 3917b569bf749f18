//go:build chaos

package chaos

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"packseal.example/test/lab"
)

// bucket is one in a real S3 gateway, whose folder can be read beside it. In
// front of it is a proxy that a test can break.
type bucket struct {
	t       *testing.T
	dir     string // the gateway's; the bucket "evidence" is in it
	backend string // host:port
	gateway *exec.Cmd
	proxy   *httptest.Server
	url     string                                                        // where the daemon finds it: the proxy's
	harm    atomic.Pointer[func(http.ResponseWriter, *http.Request) bool] // true: it has answered
}

const (
	bucketKey    = "packsealtest"
	bucketSecret = "secret-of-the-test"
)

// newBucket starts a gateway and its proxy.
func newBucket(t *testing.T) *bucket {
	t.Helper()
	binary := cmp.Or(os.Getenv("PACKSEAL_VERSITYGW"), "versitygw")
	binary, err := exec.LookPath(binary)
	if err != nil {
		lab.Missing(t, "%s", err.Error())
	}
	b := &bucket{t: t, dir: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(b.dir, "evidence"), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.backend = l.Addr().String()
	_ = l.Close()
	b.start(binary)
	to := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: b.backend})
		r.Out.Host = r.In.Host // it is signed
	}}
	b.proxy = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if harm := b.harm.Load(); harm == nil || !(*harm)(w, r) {
			to.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(b.proxy.Close)
	b.url = b.proxy.URL
	return b
}

// start starts the gateway and waits until it answers.
func (b *bucket) start(binary string) {
	b.t.Helper()
	b.gateway = exec.Command(binary, "--port", b.backend, "--quiet", "posix", b.dir)
	b.gateway.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+bucketKey, "ROOT_SECRET_KEY="+bucketSecret)
	if err := b.gateway.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = b.gateway.Process.Kill()
		_ = b.gateway.Wait()
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", b.backend); err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(end) {
			b.t.Fatal("the gateway does not answer")
		}
	}
}

// sinks is the configuration of the bucket as the only sink.
func (b *bucket) sinks(w *rig, more string) string {
	if w.archive != b.dir { // once, before anybody looks
		w.archive = b.dir
	}
	w.Write("s3-id", bucketKey)
	w.Write("s3-secret", bucketSecret)
	return fmt.Sprintf(`[{name: bucket, s3: {endpoint: %s, region: us-east-1, bucket: evidence, path_style: true,
  access_key_id_file: s3-id, secret_access_key_file: s3-secret%s}}]`, b.url, more)
}

// cut closes the connection with a reset.
func cut(w http.ResponseWriter) bool {
	c, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
	return true
}

// slowDown is how S3 asks for patience.
func slowDown(w http.ResponseWriter) bool {
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprint(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`)
	return true
}
