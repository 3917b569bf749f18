package s3

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"packseal.example/sink"
)

// fake is a store with one bucket, for faults that real servers cannot be made
// to have: before sees each request first and reports whether it responded.
type fake struct {
	*httptest.Server
	before  func(w http.ResponseWriter, r *http.Request) bool
	ignores bool // If-None-Match is ignored
	plain   bool // sse is ignored
	lists   listing

	mu       sync.Mutex
	objects  map[string]stored
	requests []*http.Request
}

type stored struct {
	data   string
	header http.Header
}

func newFake(t *testing.T) *fake {
	f := &fake{objects: map[string]stored{}, before: func(http.ResponseWriter, *http.Request) bool { return false }}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// open opens a sink in the fake.
func (f *fake) open(t *testing.T, change func(*Options)) *Sink {
	t.Helper()
	o := options(t, f.URL, "b")
	if change != nil {
		change(o)
	}
	return open(t, o)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r)
	f.mu.Unlock()
	if f.before(w, r) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	old, exists := f.objects[r.URL.Path]
	switch {
	case r.URL.Query().Has("list-type"):
		f.lists.serve(w, r.URL.Query(), slices.Sorted(maps.Keys(f.objects)))
	case r.Method == http.MethodPut && exists && r.Header.Get("If-None-Match") == "*" && !f.ignores:
		respondError(w, http.StatusPreconditionFailed, "PreconditionFailed")
	case r.Method == http.MethodPut:
		f.store(r)
		w.Header().Set("Etag", `"e"`)
	case !exists:
		respondError(w, http.StatusNotFound, "NoSuchKey")
	default:
		for k, v := range old.header {
			if strings.HasPrefix(k, "X-Amz-Meta-") || k == "X-Amz-Server-Side-Encryption" && !f.plain {
				w.Header()[k] = v
			}
		}
		w.Header().Set("Server", f.lists.server)
		w.Header().Set("Content-Length", fmt.Sprint(len(old.data)))
		w.Header().Set("Etag", `"e"`)
		_, _ = io.WriteString(w, old.data)
	}
}

// listing is how a store lists; the zero one as it should.
type listing struct {
	order  func(keys []string) // nil = byte order
	ignore string              // parameter that is ignored
	server string              // name of the store
}

// serve responds to ListObjectsV2 of the bucket b.
func (l listing) serve(w http.ResponseWriter, q url.Values, paths []string) {
	q.Del(l.ignore)
	var keys []string
	for _, path := range paths {
		if key := strings.TrimPrefix(path, "/b/"); strings.HasPrefix(key, q.Get("prefix")) {
			keys = append(keys, key)
		}
	}
	if l.order != nil {
		l.order(keys)
	}
	after := cmp.Or(q.Get("continuation-token"), q.Get("start-after"))
	if i := slices.Index(keys, after); i >= 0 {
		keys = keys[i+1:]
	} else {
		keys = slices.DeleteFunc(keys, func(key string) bool { return key <= after })
	}
	n := min(len(keys), 1000)
	if most, err := strconv.Atoi(q.Get("max-keys")); err == nil {
		n = min(n, most)
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Server", l.server)
	fmt.Fprintf(w, "<ListBucketResult><IsTruncated>%t</IsTruncated>", n < len(keys))
	if n < len(keys) {
		fmt.Fprintf(w, "<NextContinuationToken>%s</NextContinuationToken>", keys[n-1])
	}
	for _, key := range keys[:n] {
		fmt.Fprintf(w, "<Contents><Key>%s</Key><Size>%d</Size></Contents>", key, sink.Probe().Size)
	}
	fmt.Fprint(w, "</ListBucketResult>")
}

// store stores the object of a PUT. The caller holds mu.
func (f *fake) store(r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	f.objects[r.URL.Path] = stored{string(b), r.Header}
}

// count returns the number of requests with that method.
func (f *fake) count(method string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if r.Method == method {
			n++
		}
	}
	return n
}

// respondError writes an S3 error whose message is a secret.
func respondError(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Request-Id", "REQUEST1")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, secretKey)
}

// reset closes the connection without a response.
func reset(http.ResponseWriter) { panic(http.ErrAbortHandler) }
