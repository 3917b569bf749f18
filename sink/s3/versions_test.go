package s3

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/sinktest"
)

// versionedBucket creates a bucket with versioning.
func (p *server) versionedBucket(t *testing.T) *Options {
	t.Helper()
	o := p.bucket(t, false)
	_, err := open(t, o).client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &o.Bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		t.Fatal(err)
	}
	o.Prefix = "p"
	return o
}

// remove deletes an object, which leaves a delete marker in a bucket with versions.
func (s *Sink) remove(t *testing.T, key string) {
	t.Helper()
	if _, err := s.client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &s.options.Bucket, Key: s.key(key)}); err != nil {
		t.Fatal(err)
	}
}

// What was deleted is told with the version that is still there; a store that takes
// the delete marker for an object refuses to write it, and that is told too.
func TestDeletions(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		s := open(t, p.versionedBucket(t))
		for _, key := range []string{"a/k", "a/l", "b", "c"} {
			if err := s.Put(t.Context(), key, sink.Bytes([]byte("content of "+key))); err != nil {
				t.Fatal(err)
			}
		}
		s.remove(t, "a/k")
		s.remove(t, "b")
		if r, on := s.checkVersioning(t.Context()); !on || !strings.Contains(r.Detail, "deletions are noticed") {
			t.Errorf("got %+v", r)
		}
		for prefix, want := range map[string]int{"": 2, "a/": 1, "a/k": 1, "c": 0, "none/": 0} {
			ds, err := s.Deletions(t.Context(), prefix)
			if err != nil || len(ds) != want {
				t.Errorf("%q: %v, %v", prefix, ds, err)
			}
			for _, d := range ds {
				if text := d.String(); d.Version == "" || d.Size != int64(len("content of "+d.Key)) || d.At.IsZero() || time.Since(d.Stored) > time.Minute || !strings.Contains(text, "is still there") {
					t.Errorf("%+v: %s", d, text)
				}
			}
		}
		if p.name == "versitygw" { // minio makes another version: only Deletions tells
			err := s.Put(t.Context(), "a/k", sink.Bytes([]byte("content of a/k")))
			want(t, err, fault.Deleted, "delete marker")
			if !strings.Contains(err.Error(), "is still there") {
				t.Error(err)
			}
		}
		if _, err := s.Open(t.Context(), "a/k"); fault.Of(err) != fault.NotFound {
			t.Errorf("opening: %v", err)
		}
	})
}

// In a bucket with versions, the contract holds.
func TestContractVersions(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		o := p.versionedBucket(t)
		var n atomic.Int32
		sinktest.Run(t, func(t *testing.T) sink.Sink {
			mine := *o
			mine.Prefix = fmt.Sprint(n.Add(1))
			return open(t, &mine)
		})
	})
}

// versions is a page of a listing of versions, one element a line: "+ key" is a
// version, "- key" a delete marker, "!" before it says that it is not the newest.
func versions(next string, lines ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<ListVersionsResult><IsTruncated>%t</IsTruncated>", next != "")
	if next != "" {
		fmt.Fprintf(&b, "<NextKeyMarker>%s</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker>", next)
	}
	for i, line := range lines {
		latest := !strings.HasPrefix(line, "!")
		kind, key, _ := strings.Cut(strings.TrimPrefix(line, "!"), " ")
		element := map[string]string{"+": "Version", "-": "DeleteMarker"}[kind]
		fmt.Fprintf(&b, "<%s><Key>%s</Key><VersionId>v%d</VersionId><IsLatest>%t</IsLatest><LastModified>2026-05-01T00:00:00.000Z</LastModified><Size>%d</Size></%[1]s>", element, key, i, latest, i)
	}
	return b.String() + "</ListVersionsResult>"
}

// A listing of versions goes on by its markers, and one that is not the store's, or
// does not say how it goes on, is an error.
func TestDeletionsPages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pages  []string
		want   string
		reason fault.Reason
	}{
		"none":         {[]string{versions("")}, "[]", ""},
		"over pages":   {[]string{versions("a", "+ p/0", "- p/a"), versions("p/b", "!- p/a", "!+ p/a", "!+ p/a", "- p/b"), versions("", "+ p/c", "!- p/c")}, "[a v1 1 b  0]", ""},
		"not ours":     {[]string{versions("", "- q/a", "- p", "- p/", "- p/x//y")}, "[]", ""},
		"begins again": {[]string{versions("a", "- p/a"), versions("a", "- p/a"), versions("a", "- p/a")}, "[]", fault.SinkUnavailable},
		"a portal's":   {[]string{"<html/>"}, "[]", fault.SinkUnavailable},
		"says nowhere": {[]string{strings.Replace(versions("a"), "<NextKeyMarker>a</NextKeyMarker>", "", 1)}, "[]", fault.SinkUnavailable},
	} {
		f, n := newFake(t), 0
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			page := c.pages[min(n, len(c.pages)-1)]
			n++
			w.Header().Set("Content-Type", "application/xml")
			fmt.Fprint(w, page)
			return true
		}
		ds, err := f.open(t, func(o *Options) { o.Prefix = "p" }).Deletions(t.Context(), "")
		var got []string
		for _, d := range ds {
			got = append(got, d.Key, d.Version, strconv.FormatInt(d.Size, 10))
		}
		if fmt.Sprint(got) != c.want || fault.Of(err) != c.reason {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// A store that does not list versions is not asked each time. What a read says of a
// delete marker is believed all the same; without that, somebody else may be
// writing, and the hint says how to find out.
func TestDeletionsRefused(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]string{403: "AccessDenied", 501: "NotImplemented", 400: "InvalidArgument"} {
		for _, marker := range []bool{true, false} {
			f, asked := newFake(t), 0
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case r.URL.Query().Has("versions"):
					asked++
					respondError(w, status, code)
				case r.Method == http.MethodPut && r.URL.Path == "/b/k":
					respondError(w, 412, "PreconditionFailed")
				case r.Method == http.MethodGet && r.URL.Path == "/b/k" && marker:
					w.Header().Set("X-Amz-Delete-Marker", "true")
					return false
				default:
					return false
				}
				return true
			}
			s := f.open(t, nil)
			for range 2 {
				if ds, err := s.Deletions(t.Context(), "k"); err != nil || len(ds) > 0 {
					t.Errorf("%s: %v, %v", code, ds, err)
				}
				err := s.Put(t.Context(), "k", x)
				if marker {
					want(t, err, fault.Deleted, "delete marker")
				} else {
					want(t, err, fault.SinkUnavailable, "ListBucketVersions")
				}
			}
			if asked != 1 {
				t.Errorf("%s: asked %d times", code, asked)
			}
		}
	}
	f := newFake(t)
	f.before = func(w http.ResponseWriter, r *http.Request) bool { respondError(w, 503, "SlowDown"); return true }
	_, err := f.open(t, nil).Deletions(t.Context(), "k")
	want(t, err, fault.SinkUnavailable, "throttling")
}
