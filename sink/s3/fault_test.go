package s3

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// want fails the test unless err has the reason and a hint that contains that
// text, and no secret.
func want(t *testing.T, err error, reason fault.Reason, hint string) {
	t.Helper()
	if fault.Of(err) != reason || !strings.Contains(fault.Hint(err), hint) {
		t.Errorf("got %v (%s, hint %q), want %s and %q", err, fault.Of(err), fault.Hint(err), reason, hint)
	}
	noSecret(t, err)
}

var x = sink.Bytes([]byte("x"))

func TestConditionIgnored(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.ignores = true
	s := f.open(t, nil)
	want(t, s.Put(t.Context(), "k", x), fault.SinkDenied, "conditional_writes: off")
	if got := f.objects["/b/k"].data; got != "x" {
		t.Errorf("the object became %q", got)
	}
	n := f.count(http.MethodPut)
	want(t, s.Put(t.Context(), "l", x), fault.SinkDenied, "conditional_writes: off")
	if f.count(http.MethodPut) != n {
		t.Error("a store that ignores the condition was written to again")
	}
}

// The first Put, before the store is probed, does not replace an object.
func TestConditionIgnoredOverAnother(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.ignores = true
	f.objects["/b/k"] = stored{data: "y"}
	want(t, f.open(t, nil).Put(t.Context(), "k", x), fault.Conflict, "")
	if f.count(http.MethodPut) != 0 {
		t.Error("the object was written over")
	}
}

func TestConditionRefused(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]string{501: "NotImplemented", 400: "InvalidArgument"} {
		f := newFake(t)
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("If-None-Match") == "" {
				return false
			}
			respondError(w, status, code)
			return true
		}
		want(t, f.open(t, nil).Put(t.Context(), "k", x), fault.SinkDenied, "conditional_writes: off")
		s := f.open(t, func(o *Options) { o.ObjectLock = &ObjectLock{Mode: "COMPLIANCE", Days: 1} })
		want(t, s.Put(t.Context(), "k", x), fault.SinkDenied, "conditional_writes: off")
		s = f.open(t, func(o *Options) { o.ConditionalWrites = conditionalOff })
		for range 2 {
			if err := s.Put(t.Context(), "k", x); err != nil {
				t.Errorf("off: %v", err)
			}
		}
		want(t, s.Put(t.Context(), "k", sink.Bytes([]byte("y"))), fault.Conflict, "")
	}
}

// onPut responds to PUTs only.
func onPut(respond func(w http.ResponseWriter, r *http.Request)) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut {
			return false
		}
		respond(w, r)
		return true
	}
}

func TestSlowDown(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.before = onPut(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		respondError(w, 503, "SlowDown")
	})
	err := f.open(t, nil).Put(t.Context(), "k", x)
	want(t, err, fault.SinkUnavailable, "throttling")
	if fault.RetryAfter(err) != 7*time.Second || f.count(http.MethodPut) != 1 {
		t.Errorf("retry after %s, %d tries", fault.RetryAfter(err), f.count(http.MethodPut))
	}
}

// The connection is reset in the middle of a large body: the result depends on
// what the key holds.
func TestReset(t *testing.T) {
	t.Parallel()
	large := sink.Bytes(random(4 << 20))
	for name, tc := range map[string]struct {
		there string // what another writer has put meanwhile
		want  fault.Reason
	}{
		"nothing": {"", fault.SinkUnavailable},
		"same":    {string(random(4 << 20)), ""},
		"others":  {"y", fault.Conflict},
	} {
		f := newFake(t)
		f.before = onPut(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.CopyN(io.Discard, r.Body, 1<<20)
			f.mu.Lock()
			defer f.mu.Unlock()
			if tc.there != "" {
				f.objects[r.URL.Path] = stored{data: tc.there}
			}
			reset(w)
		})
		err := f.open(t, nil).Put(t.Context(), "k", large)
		if fault.Of(err) != tc.want {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
		noSecret(t, err)
	}
}

// The store stored the object, and its response was lost.
func TestLostResponse(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.before = onPut(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.store(r)
		reset(w)
	})
	if err := f.open(t, nil).Put(t.Context(), "k", x); err != nil {
		t.Error(err)
	}
}

// Another writer is storing the key and may yet fail, so the Put is retried.
func TestBeingWritten(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.before = onPut(func(w http.ResponseWriter, _ *http.Request) { respondError(w, 409, "ConditionalRequestConflict") })
	want(t, f.open(t, nil).Put(t.Context(), "k", x), fault.SinkUnavailable, "")
}

func TestLockIgnored(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	code := 501
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if !r.URL.Query().Has("retention") {
			return false
		}
		respondError(w, code, "NotImplemented")
		return true
	}
	s := f.open(t, func(o *Options) { o.ObjectLock = &ObjectLock{Mode: "COMPLIANCE", Days: 1} })
	for range 2 {
		want(t, s.Put(t.Context(), "k", x), fault.SinkDenied, "Object Lock")
	}
	code = 403 // HEAD shows no lock to who may not read it
	want(t, s.Put(t.Context(), "k", x), fault.SinkDenied, "s3:GetObjectRetention")
}

// A captive portal or a proxy answers anything with status 200. Nothing passes for
// stored, read or compared by that.
func TestForeignAnswers(t *testing.T) {
	t.Parallel()
	large := sink.Bytes(random(6 << 20))
	for name, respond := range map[string]http.HandlerFunc{
		"page":  func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>log in") },
		"empty": func(http.ResponseWriter, *http.Request) {},
	} {
		f := newFake(t)
		f.before = func(w http.ResponseWriter, r *http.Request) bool { respond(w, r); return true }
		for what, c := range map[string]sink.Content{"small": x, "in parts": large} {
			s := f.open(t, func(o *Options) { o.MultipartThreshold = 5 << 20 })
			want(t, s.Put(t.Context(), "k", c), fault.SinkUnavailable, "proxy")
			if t.Failed() {
				t.Fatalf("%s, %s", name, what)
			}
		}
		_, err := f.open(t, nil).Open(t.Context(), "k")
		want(t, err, fault.SinkUnavailable, "proxy")
	}
}

// The proxy appears in the middle: of a write in parts, the first requests reach
// the store.
func TestForeignAnswersLater(t *testing.T) {
	t.Parallel()
	for name, foreign := range map[string]func(r *http.Request) bool{
		"part":     func(r *http.Request) bool { return r.Method == http.MethodPut },
		"complete": func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") },
	} {
		f := newFake(t)
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case foreign(r):
				fmt.Fprint(w, "<html>log in")
			case r.URL.Query().Has("uploads"):
				fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
			case r.Method == http.MethodPut:
				w.Header().Set("Etag", `"e"`)
			default:
				return false
			}
			return true
		}
		s := f.open(t, func(o *Options) { o.MultipartThreshold = 5 << 20 })
		if err := s.Put(t.Context(), "k", sink.Bytes(random(6<<20))); fault.Of(err) != fault.SinkUnavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A store that returns another sum than that of what was sent has not stored it.
func TestOtherSumReturned(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.before = onPut(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Etag", `"e"`)
		w.Header().Set("X-Amz-Checksum-Sha256", *sum(sink.Bytes([]byte("y")).SHA256).base64())
	})
	if err := f.open(t, nil).Put(t.Context(), "k", x); fault.Of(err) != fault.Damaged {
		t.Errorf("got %v", err)
	}
}

// Some stores and proxies do not tell the size of what they have. The stored sum
// tells whether it is the same, or else the object.
func TestSizeUnknown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		there, sum string
		want       fault.Reason
	}{
		"same":         {"x", sum(x.SHA256).hex(), ""},
		"same, no sum": {"x", "", ""},
		"other":        {"y", sum(sink.Bytes([]byte("y")).SHA256).hex(), fault.Conflict},
		"other no sum": {"y", "", fault.Conflict},
	} {
		f := newFake(t)
		f.objects["/b/k"] = stored{data: c.there, header: http.Header{}}
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodHead {
				return false
			}
			w.Header().Set("Etag", `"e"`)
			w.Header().Set("Transfer-Encoding", "chunked") // no length
			if c.sum != "" {
				w.Header().Set("X-Amz-Meta-Sha256", c.sum)
			}
			return true
		}
		if err := f.open(t, nil).Put(t.Context(), "k", x); fault.Of(err) != c.want {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestEncryptionIgnored(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.plain = true
	s := f.open(t, func(o *Options) { o.SSE = &SSE{Type: "AES256"} })
	for range 2 {
		want(t, s.Put(t.Context(), "k", x), fault.SinkDenied, "ignores sse")
	}
}

// The request has a plain body, with its sum in the signature, the checksum and
// the metadata.
func TestRequest(t *testing.T) {
	t.Parallel()
	for _, tls := range []bool{false, true} {
		f := newFake(t)
		if tls {
			f.Server = httptest.NewTLSServer(f)
			t.Cleanup(f.Close)
		}
		s := f.open(t, func(o *Options) { o.SSE = &SSE{Type: "aws:kms", KMSKeyID: "alias/a"} })
		through(s, f.Client().Transport)
		if err := s.Put(t.Context(), "k", x); err != nil {
			t.Fatal(err)
		}
		h := f.objects["/b/k"].header
		for key, want := range map[string]string{
			"X-Amz-Content-Sha256": hex.EncodeToString(x.SHA256[:]), "X-Amz-Checksum-Sha256": *sum(x.SHA256).base64(),
			"X-Amz-Meta-Sha256": hex.EncodeToString(x.SHA256[:]), "If-None-Match": "*", "Content-Encoding": "", "X-Amz-Trailer": "",
			"X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "alias/a", "Content-Length": "1",
		} {
			if h.Get(key) != want {
				t.Errorf("tls %t: %s is %q, want %q", tls, key, h.Get(key), want)
			}
		}
		if h.Get("Accept-Encoding") != "identity" || strings.Contains(h.Get("Authorization"), "accept-encoding") {
			t.Errorf("tls %t: Accept-Encoding %q is signed in %q", tls, h.Get("Accept-Encoding"), h.Get("Authorization"))
		}
	}
}

// through makes s use the transport.
func through(s *Sink, rt http.RoundTripper) {
	o := s.client.Options()
	o.HTTPClient = &http.Client{Transport: rt}
	s.client = s3.New(o)
}

func TestVirtualHost(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := f.open(t, func(o *Options) {
		o.Endpoint, o.AllowHTTP, o.PathStyle, o.Prefix = "http://store.example/", true, false, "/p/"
		o.Bucket = "evidence"
	})
	through(s, &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", f.Listener.Addr().String())
	}})
	if err := s.Put(t.Context(), "k", x); err != nil {
		t.Fatal(err)
	}
	if r := f.requests[0]; r.Host != "evidence.store.example" || r.URL.Path != "/p/k" {
		t.Errorf("asked %s for %s", r.Host, r.URL.Path)
	}
}

func TestTruncatedRead(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.before = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "short")
		return true
	}
	_, err := sink.ReadAll(t.Context(), f.open(t, nil), "k", 100)
	want(t, err, fault.SinkUnavailable, "")
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Close()
	s := f.open(t, nil)
	want(t, s.Put(t.Context(), "k", x), fault.SinkUnavailable, "endpoint")
	_, err := s.Open(t.Context(), "k")
	want(t, err, fault.SinkUnavailable, "endpoint")
	for _, err := range s.List(t.Context(), "", "") {
		want(t, err, fault.SinkUnavailable, "endpoint")
	}
}
