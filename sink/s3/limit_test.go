package s3

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/fault"
	"packseal.example/sink/bucket"
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
		if sent > 4*bucket.MaxResponse {
			t.Errorf("%s of %d bytes was read", name, sent)
		}
	}
}

// A response that is cut off, is not a listing, or does not say how the listing
// goes on is an error, and never a shorter listing.
func TestBrokenListing(t *testing.T) {
	t.Parallel()
	const a = `<Contents><Key>a</Key><Size>1</Size></Contents>`
	for page, c := range map[string]struct {
		keys int
		hint string
	}{
		`<ListBucketResult><IsTruncated>false</IsTruncated>` + a + `<Cont`: {0, "proxy"},
		"<html>": {0, "proxy"},
		"":       {0, "proxy"},
		"{}":     {0, "proxy"},
		`<ListBucketResult>` + a + `</ListBucketResult>`:                                                                                {0, "proxy"},
		`<ListBucketResult><IsTruncated>true</IsTruncated>` + a + `</ListBucketResult>`:                                                 {0, "continuation tokens"},
		`<ListBucketResult><Marker/><NextMarker>a</NextMarker><IsTruncated>true</IsTruncated>` + a + `</ListBucketResult>`:              {0, "continuation tokens"},
		`<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>` + a + `</ListBucketResult>`: {1, "continuation tokens"},
	} {
		f := newFake(t)
		f.before = func(w http.ResponseWriter, _ *http.Request) bool {
			fmt.Fprint(w, page)
			return true
		}
		n, failed := 0, false
		for _, err := range f.open(t, nil).List(t.Context(), "", "") {
			if failed = err != nil; failed {
				want(t, err, fault.SinkUnavailable, c.hint)
			} else {
				n++
			}
		}
		if n != c.keys || !failed {
			t.Errorf("%q lists %d keys, and fails: %t", page, n, failed)
		}
	}
}

// Some stores list folder by folder, so that keys are not in byte order. All of
// them are listed.
func TestUnorderedListing(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		keys, more := []string{"a/x", "a-/x"}, "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
		if r.URL.Query().Has("continuation-token") {
			keys, more = []string{"a-/y", "a"}, "<IsTruncated>false</IsTruncated>"
		}
		fmt.Fprint(w, "<ListBucketResult>", more)
		for _, k := range keys {
			fmt.Fprintf(w, "<Contents><Key>%s</Key></Contents>", k)
		}
		fmt.Fprint(w, "</ListBucketResult>")
		return true
	}
	var keys []string
	for e, err := range f.open(t, nil).List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, e.Key)
	}
	if diff := cmp.Diff([]string{"a/x", "a-/x", "a-/y", "a"}, keys); diff != "" {
		t.Error(diff)
	}
}

// An object may be larger than the limit on other responses.
func TestObjectsAreNotLimited(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.before = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Etag", `"e"`)
		_, _ = io.CopyN(w, zeros{}, bucket.MaxResponse+10)
		return true
	}
	r, err := f.open(t, nil).Open(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // read only
	if n, err := io.Copy(io.Discard, r); err != nil || n != bucket.MaxResponse+10 {
		t.Errorf("read %d bytes: %v", n, err)
	}
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
