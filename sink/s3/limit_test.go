package s3

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"packseal.example/internal/fault"
)

// Responses other than objects are read up to a limit, so that an endless one
// cannot exhaust memory.
func TestResponsesAreLimited(t *testing.T) {
	t.Parallel()
	var sent int64
	endless := func(begin string, status int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(status)
			_, err := io.WriteString(w, begin)
			for sent = 0; err == nil; sent += 64 << 10 {
				_, err = io.WriteString(w, strings.Repeat("<a>b</a>", 8<<10))
			}
			return true
		}
	}
	for name, status := range map[string]int{"a page": http.StatusOK, "an error": http.StatusBadRequest} {
		f := newFake(t)
		f.before = endless("<ListBucketResult>", status)
		s := f.open(t, nil)
		for _, err := range s.List(t.Context(), "", "") {
			want(t, err, fault.SinkUnavailable, "")
		}
		f.Close() // waits for the handler
		if sent > 4*maxResponse {
			t.Errorf("%s of %d bytes was read", name, sent)
		}
	}
}

// A response that is truncated, or is not a listing, is an error.
func TestBrokenListing(t *testing.T) {
	t.Parallel()
	for _, page := range []string{
		`<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents><Cont`, "<html>", "", "{}",
	} {
		f := newFake(t)
		f.before = func(w http.ResponseWriter, _ *http.Request) bool {
			fmt.Fprint(w, page)
			return true
		}
		n := 0
		for e, err := range f.open(t, nil).List(t.Context(), "", "") {
			n++
			if err == nil {
				t.Errorf("%q lists %+v", page, e)
				continue
			}
			want(t, err, fault.SinkUnavailable, "")
		}
		if n == 0 {
			t.Errorf("%q passes for an empty listing", page)
		}
	}
}

// An object may be larger than the limit on other responses.
func TestObjectsAreNotLimited(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.before = func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = io.CopyN(w, zeros{}, maxResponse+10)
		return true
	}
	r, err := f.open(t, nil).Open(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // read only
	if n, err := io.Copy(io.Discard, r); err != nil || n != maxResponse+10 {
		t.Errorf("read %d bytes: %v", n, err)
	}
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
