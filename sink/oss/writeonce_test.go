package oss

import (
	"net/http"
	"strings"
	"testing"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/oss/ossfake"
)

// A bucket whose versioning is on or suspended ignores x-oss-forbid-overwrite, and is
// refused before anything is written; once the bucket is another, no restart is
// needed.
func TestVersionedBucket(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"Enabled", "Suspended"} {
		f := newFake(t)
		f.bucket.Versioning = state
		s := f.open(t, nil)
		err := s.Put(t.Context(), "k", x)
		want(t, err, fault.SinkDenied, "overwrite: off")
		if got := f.operations(); got != "GetBucketVersioning" || !strings.Contains(err.Error(), strings.ToLower(state)) {
			t.Errorf("%s: %s, %v", state, got, err)
		}
		f.Do(func() { f.bucket.Versioning = "" })
		mustPut(t, s, "k", x)
	}
}

// Where the policy does not allow to ask, the first write tells.
func TestVersioningUnknown(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"", "Enabled", "Suspended"} {
		f := newFake(t)
		f.bucket.Versioning = state
		f.reply("GetBucketVersioning", 403, "AccessDenied", 0)
		s := f.open(t, nil)
		if state == "" {
			mustPut(t, s, "k", x)
			continue
		}
		f.Put(evidence, "other", "y")
		want(t, s.Put(t.Context(), "other", x), fault.Conflict, "")
		for range 3 {
			want(t, s.Put(t.Context(), "k", x), fault.SinkDenied, "overwrite: off")
		}
		if n := f.Versions(evidence, "k"); n != 1 || string(f.Object(evidence, "other").Data) != "y" {
			t.Errorf("%s: %d versions", state, n)
		}
	}
}

// A bucket that ignores the header and does not say that it has versions is found
// out by the second write of the first object, and is not written to again.
func TestForbidIgnored(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			f.Do(func() { f.bucket.Versioning = "Suspended" })
		}
		return false
	}
	f.after("PutObject", func(_ *http.Request, a *ossfake.Answer) { a.Header.Del("x-oss-version-id") })
	f.reply("GetBucketVersioning", 403, "AccessDenied", 0)
	s := f.open(t, nil)
	want(t, s.Put(t.Context(), "k", x), fault.SinkDenied, "overwrite: off")
	if got := f.operations(); got != "GetBucketVersioning HeadObject PutObject PutObject" {
		t.Errorf("asked %s", got)
	}
	want(t, s.Put(t.Context(), "l", x), fault.SinkDenied, "overwrite: off")
	if got := f.operations(); got != "" || f.Object(evidence, "l") != nil {
		t.Errorf("asked %s once more", got)
	}
}

// Versioning that is turned on later is seen at the next write.
func TestVersioningTurnedOn(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for name, c := range map[string]sink.Content{"small": x, "large": large} {
		s := f.ready(t, inParts)
		f.Do(func() { f.bucket.Versioning = "Enabled" })
		want(t, s.Put(t.Context(), name, c), fault.SinkDenied, "versioning")
		f.operations()
		want(t, s.Put(t.Context(), name+"2", c), fault.SinkDenied, "versioning")
		if got := f.operations(); got != "GetBucketVersioning" {
			t.Errorf("%s: then %s", name, got)
		}
		f.Do(func() { f.bucket.Versioning = "" })
	}
}

// A failure while the bucket is checked is that of the Put, and the next one checks
// again.
func TestCheckFails(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"GetBucketVersioning", "PutObject", "GetBucketWorm"} {
		f := newFake(t)
		f.bucket.Worm = &ossfake.Worm{State: "Locked", Days: 10}
		f.reply(operation, 500, "InternalError", 1)
		s := f.open(t, func(o *Options) { o.BucketWorm = &BucketWorm{Days: 10} })
		want(t, s.Put(t.Context(), "k", x), fault.SinkUnavailable, "")
		mustPut(t, s, "k", x)
	}
}

// The bucket's retention policy is read back before the first write.
func TestBucketWorm(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		worm   *ossfake.Worm
		denied bool
		says   string // empty: good
		hint   string
	}{
		"none":        {nil, false, "no retention policy", "create the policy (BucketWorm) and lock it within 24 hours"},
		"in progress": {&ossfake.Worm{State: "InProgress", Days: 1827}, false, "not locked yet", "lock it within 24 hours"},
		"short":       {&ossfake.Worm{State: "Locked", Days: 1826}, false, "policy is for 1826 days: bucket_worm asks for 1827 days", "extend the policy, which cannot be undone (docs/storage.md), or correct bucket_worm: {days: 1826}"},
		"locked":      {&ossfake.Worm{State: "Locked", Days: 1827}, false, "", ""},
		"longer":      {&ossfake.Worm{State: "Locked", Days: 3653}, false, "", ""},
		"denied":      {&ossfake.Worm{State: "Locked", Days: 1827}, true, "cannot be read", "oss:GetBucketWorm"},
	} {
		f := newFake(t)
		f.bucket.Worm = c.worm
		if c.denied {
			f.reply("GetBucketWorm", 403, "AccessDenied", 0)
		}
		s := f.open(t, func(o *Options) { o.BucketWorm = &BucketWorm{Days: 1827} })
		err := s.Put(t.Context(), "k", x)
		if c.says == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		want(t, err, fault.SinkDenied, c.hint)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(f.operations(), "PutObject") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// In a bucket with a retention policy an object cannot be replaced even without the
// condition, and what is there is compared.
func TestImmutable(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.bucket.Worm = &ossfake.Worm{State: "Locked", Days: 10}
	for _, mode := range []string{overwriteForbid, overwriteOff} {
		s := f.open(t, func(o *Options) { o.Overwrite = mode })
		mustPut(t, s, mode, x)
		mustPut(t, s, mode, x)
		want(t, s.Put(t.Context(), mode, sink.Bytes([]byte("y"))), fault.Conflict, "")
	}
	for name, c := range both { // another writer stores it meanwhile
		f := newFake(t)
		f.Before = func(_ http.ResponseWriter, r *http.Request) bool {
			if q := r.URL.Query(); r.Method == http.MethodPut && !q.Has("partNumber") || r.Method == http.MethodPost && q.Has("uploadId") {
				b := make([]byte, c.Size)
				c.ReadAt(b, 0) //nolint:errcheck // in memory
				f.Put(evidence, name, string(b))
			}
			return false
		}
		f.reply(last[name], 409, "FileImmutable", 1)
		mustPut(t, f.ready(t, inParts), name, c)
		if f.Uploads() > 0 {
			t.Errorf("%s: an upload is left", name)
		}
	}
}

// In the weaker mode nothing is asked of the bucket, and objects are not replaced by
// one writer.
func TestOverwriteOff(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.bucket.Versioning = "Enabled"
	s := f.open(t, func(o *Options) { o.Overwrite = overwriteOff })
	mustPut(t, s, "k", x)
	if got := f.operations(); got != "HeadObject PutObject HeadObject" {
		t.Errorf("asked %s", got)
	}
	mustPut(t, s, "k", x)
	want(t, s.Put(t.Context(), "k", sink.Bytes([]byte("y"))), fault.Conflict, "")
	if n := f.Versions(evidence, "k"); n != 1 {
		t.Errorf("%d versions", n)
	}
}

// The sink says that it is in the weaker mode.
func TestWeaker(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for mode, want := range map[string]string{"": "", overwriteForbid: "", overwriteOff: "overwrite: off"} {
		if got := sink.Weaker(f.open(t, func(o *Options) { o.Overwrite = mode })); got != want {
			t.Errorf("%q: %q, want %q", mode, got, want)
		}
	}
}
