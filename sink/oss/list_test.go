package oss

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/fault"
	"packseal.example/sink/bucket"
	"packseal.example/sink/oss/ossfake"
)

// listed returns the keys of a listing, and the error that ended it.
func listed(t *testing.T, s *Sink, prefix, after string) (keys []string, last error) {
	t.Helper()
	for e, err := range s.List(t.Context(), prefix, after) {
		if last = err; err == nil {
			keys = append(keys, e.Key)
		}
	}
	return keys, last
}

// TestListMany lists one key more than a page has, in two requests.
func TestListMany(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var keys []string
	for i := range 1001 {
		keys = append(keys, fmt.Sprintf("a&b/%04d 审计<>", i))
		f.Put(evidence, keys[i], "x")
	}
	f.Put(evidence, "a&b/", "")
	s := f.ready(t, nil)
	got, err := listed(t, s, "a&b/", "")
	if diff := cmp.Diff(keys, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if got := f.operations(); got != "ListObjectsV2 ListObjectsV2" {
		t.Errorf("asked %s", got)
	}
	if got, err := listed(t, s, "", keys[999]); err != nil || !cmp.Equal(got, keys[1000:]) || f.operations() != "ListObjectsV2" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestBrokenListing: a page that is cut off, is not a listing, or does not say how
// the listing goes on is an error, and never a shorter listing.
func TestBrokenListing(t *testing.T) {
	t.Parallel()
	const a = `<Name>evidence</Name><Contents><Key>a</Key><Size>1</Size></Contents>`
	for page, c := range map[string]struct {
		keys int
		hint string
	}{
		`<ListBucketResult><IsTruncated>false</IsTruncated>` + a + `<Cont`: {0, "proxy"},
		"<html>":                                {0, "proxy"},
		"":                                      {0, "proxy"},
		"{}":                                    {0, "proxy"},
		`<ListBucketResult></ListBucketResult>`: {0, "proxy"},
		`<ListBucketResult>` + a + `<IsTruncated>maybe</IsTruncated></ListBucketResult>`:                                                {0, "proxy"},
		`<ListBucketResult><IsTruncated>true</IsTruncated>` + a + `</ListBucketResult>`:                                                 {0, "continuation tokens"},
		`<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>` + a + `</ListBucketResult>`: {1, "continuation tokens"},
	} {
		f := newFake(t)
		f.after("ListObjectsV2", func(_ *http.Request, an *ossfake.Answer) { an.Status, an.Body = 200, []byte(page) })
		keys, err := listed(t, f.open(t, nil), "", "")
		want(t, err, fault.SinkUnavailable, c.hint)
		if len(keys) != c.keys {
			t.Errorf("%q lists %q", page, keys)
		}
	}
}

// TestEncodingIgnored: keys come as they are where encoding-type is ignored.
func TestEncodingIgnored(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Put(evidence, "a+b%20c", "x")
	f.after("ListObjectsV2", func(_ *http.Request, a *ossfake.Answer) {
		a.Body = []byte(strings.NewReplacer("<EncodingType>url</EncodingType>", "", "a%2Bb%2520c", "a+b%20c").Replace(string(a.Body)))
	})
	if keys, err := listed(t, f.open(t, nil), "", ""); err != nil || !cmp.Equal(keys, []string{"a+b%20c"}) {
		t.Errorf("got %q, %v", keys, err)
	}
}

// TestResponsesAreLimited: an endless page cannot exhaust memory; an object may be
// larger than the limit.
func TestResponsesAreLimited(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := f.ready(t, nil)
	long := strings.Repeat("<a>b</a>", bucket.MaxResponse/8+1)
	for _, status := range []int{200, 400} {
		f.after("ListObjectsV2", func(_ *http.Request, a *ossfake.Answer) {
			a.Status, a.Body = status, []byte("<ListBucketResult><Name>evidence</Name>"+long)
		})
		_, err := listed(t, s, "", "")
		if fault.Of(err) != fault.SinkUnavailable && status == 200 || err == nil {
			t.Errorf("%d: %v", status, err)
		}
		noSecret(t, err)
	}
	f.Put(evidence, "k", long)
	r, err := s.Open(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // read only
	var n int
	for b := make([]byte, 1<<20); err == nil; n += 0 {
		var m int
		m, err = r.Read(b)
		n += m
	}
	if n != len(long) {
		t.Errorf("read %d bytes, %v", n, err)
	}
}
