package oss

import (
	"net/http"
	"strings"
	"testing"
	"time"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/oss/ossfake"
)

// locking opens sinks that lock objects for 1827 days.
func locking(o *Options) {
	inParts(o)
	o.Overwrite, o.ObjectLock = overwriteOff, &ObjectLock{Days: 1827}
}

// TestObjectLock: objects are locked after they are written, in one part or several,
// and once: the lock of an object that has one is not touched.
func TestObjectLock(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.bucket.Versioning = "Enabled"
	s := f.open(t, locking)
	for key, c := range both {
		mustPut(t, s, key, c)
		o := f.Object(evidence, key)
		if left := time.Until(o.Until); o.Mode != "COMPLIANCE" || left < 1826*24*time.Hour || left > 1828*24*time.Hour {
			t.Errorf("%s: %s, for %s", key, o.Mode, left)
		}
		f.Requests()
		mustPut(t, s, key, c)
		if got := f.operations(); got != "HeadObject GetObjectRetention" {
			t.Errorf("%s again: %s", key, got)
		}
		_, err := f.vendor().DeleteObject(t.Context(), &alioss.DeleteObjectRequest{Bucket: alioss.Ptr(evidence), Key: &key, VersionId: &o.Version})
		if err == nil {
			t.Errorf("%s: the locked version could be deleted", key)
		}
	}
	f.Put(evidence, "plain", "x") // by another program
	mustPut(t, s, "plain", x)
	if o := f.Object(evidence, "plain"); o.Mode != "COMPLIANCE" {
		t.Errorf("the object that was there has the mode %q", o.Mode)
	}
}

// TestNotLocked: an object that could not be locked does not pass for stored, and is
// locked by the next Put.
func TestNotLocked(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := f.open(t, locking)
	want(t, s.Put(t.Context(), "k", x), fault.SinkDenied, "ObjectWorm") // no versioning
	f.Do(func() { f.bucket.Versioning = "Enabled" })
	for _, operation := range []string{"GetObjectRetention", "PutObjectRetention"} {
		f.reply(operation, 403, "AccessDenied", 1)
		want(t, s.Put(t.Context(), "k", x), fault.SinkDenied, "oss:PutObjectRetention")
		f.reply(operation, 500, "InternalError", 1)
		want(t, s.Put(t.Context(), "k", x), fault.SinkUnavailable, "")
	}
	f.after("PutObjectRetention", func(*http.Request, *ossfake.Answer) {
		f.bucket.Latest("k").Until = time.Now()
	})
	want(t, s.Put(t.Context(), "k", x), fault.SinkDenied, "ObjectWorm")
	f.Do(func() { f.After = nil })
	mustPut(t, s, "k", x)
}

// TestDeletions: in a bucket with versioning, what was deleted is known.
func TestDeletions(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.bucket.Versioning = "Enabled"
	s := f.open(t, func(o *Options) { o.Overwrite, o.Prefix = overwriteOff, "p" })
	mustPut(t, s, "a/k", x)
	mustPut(t, s, "a/l", x)
	version := f.Object(evidence, "p/a/k").Version
	for _, key := range []string{"p/a/k", "p/b", "other"} {
		if _, err := f.vendor().DeleteObject(t.Context(), &alioss.DeleteObjectRequest{Bucket: alioss.Ptr(evidence), Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Deletions(t.Context(), "a/")
	if err != nil || len(got) != 1 || got[0].Key != "a/k" || got[0].Version != version || got[0].Size != 1 || time.Since(got[0].At) > time.Minute || time.Since(got[0].Stored) > time.Minute {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := s.Deletions(t.Context(), ""); err != nil || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
	f.Do(func() { f.bucket.Versioning = "Suspended" })
	f.Put(evidence, "p/c", "x")
	f.Delete(evidence, "p/c")
	if got, err := s.Deletions(t.Context(), "c"); err != nil || len(got) != 1 || got[0].Version != "" {
		t.Errorf("suspended: got %v, %v", got, err)
	}
	f.Requests()
	if got, err := f.open(t, nil).Deletions(t.Context(), ""); got != nil || err != nil || f.operations() != "" {
		t.Errorf("without versioning: %v, %v", got, err)
	}
	f.reply("ListObjectVersions", 500, "InternalError", 1)
	_, err = s.Deletions(t.Context(), "")
	want(t, err, fault.SinkUnavailable, "")
	f.reply("ListObjectVersions", 403, "SecurityTokenExpired", 1)
	_, err = s.Deletions(t.Context(), "")
	want(t, err, fault.SinkDenied, "renew")
	f.reply("ListObjectVersions", 403, "AccessDenied", 1)
	for range 2 {
		if got, err := s.Deletions(t.Context(), ""); got != nil || err != nil {
			t.Errorf("who may not list them: %v, %v", got, err)
		}
	}
}

// TestManyDeletions are on several pages, also the versions of one key.
func TestManyDeletions(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.bucket.Versioning = "Enabled"
	s := f.open(t, func(o *Options) { o.Overwrite = overwriteOff })
	for range 999 {
		f.Put(evidence, "a", "x")
	}
	var want []string
	for _, key := range []string{"a", "b", "c"} {
		f.Put(evidence, key, "x")
		f.Delete(evidence, key)
		want = append(want, key)
	}
	all, err := s.Deletions(t.Context(), "")
	var got []string
	for _, d := range all {
		if got = append(got, d.Key); d.Version == "" {
			t.Errorf("%s has no version", d.Key)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil || strings.Count(f.operations(), "ListObjectVersions") != 2 {
		t.Errorf("%v %s", err, diff)
	}
}

var _ sink.Historian = (*Sink)(nil)
