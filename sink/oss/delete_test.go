package oss

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/oss/ossfake"
	"packseal.example/sink/sinktest"
)

// TestDelete: in buckets with and without versioning nothing is left, not even a
// marker.
func TestDelete(t *testing.T) {
	t.Parallel()
	sinktest.Deletes(t, newFake(t).open(t, nil))
	f := newFake(t)
	f.bucket.Versioning = "Enabled"
	s := f.open(t, func(o *Options) { o.Overwrite = overwriteOff })
	sinktest.Deletes(t, s)
	for range 3 {
		f.Put(evidence, "many", "x")
	}
	if err := s.DeleteObject(t.Context(), "many"); err != nil || f.Object(evidence, "many") != nil {
		t.Errorf("%v, left: %+v", err, f.Object(evidence, "many"))
	}
	f.Put(evidence, "k", "x")
	f.reply("DeleteObject", 403, "AccessDenied", 1)
	want(t, s.DeleteObject(t.Context(), "k"), fault.SinkDenied, "oss:DeleteObject")
	f.reply("DeleteObject", 500, "InternalError", 1)
	want(t, s.DeleteObject(t.Context(), "k"), fault.SinkUnavailable, "")
}

// TestReadLock: the lock of the object and that of the bucket are read, keep it from
// being deleted, and that of the object can be extended.
func TestReadLock(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.bucket.Versioning = "Enabled"
	s := f.open(t, locking)
	mustPut(t, s, "k", x)
	first, err := s.Lock(t.Context(), "k")
	if err != nil || first.Mode != compliance || s.LockTerms().Fault(first, time.Now(), time.Minute) != "" || !first.Until.Equal(first.Until.Truncate(time.Second)) {
		t.Errorf("got %v, %v", first, err)
	}
	want(t, s.DeleteObject(t.Context(), "k"), fault.SinkDenied, "")
	later := first.Until.Add(time.Hour)
	for _, until := range []time.Time{later, first.Until} {
		if err := s.ExtendLock(t.Context(), "k", until); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Lock(t.Context(), "k"); err != nil || !got.Until.Equal(later) {
		t.Errorf("extended to %v: got %v, %v", later, got, err)
	}
	if _, err := s.Lock(t.Context(), "none"); !errors.Is(err, sink.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}

	f = newFake(t)
	f.bucket.Worm = &ossfake.Worm{State: "Locked", Days: 30}
	s = f.open(t, func(o *Options) { o.BucketWorm = &BucketWorm{Days: 20} })
	mustPut(t, s, "k", x)
	got, err := s.Lock(t.Context(), "k")
	if err != nil || got.Mode != compliance || time.Until(got.Until) < 29*24*time.Hour || s.LockTerms().Days != 20 {
		t.Errorf("bucket_worm: got %v, %v", got, err)
	}
	want(t, s.DeleteObject(t.Context(), "k"), fault.SinkDenied, "")
	want(t, s.ExtendLock(t.Context(), "k", later), fault.SinkDenied, "")

	s = newFake(t).open(t, nil)
	mustPut(t, s, "k", x)
	if got, err := s.Lock(t.Context(), "k"); err != nil || got != (sink.Lock{}) {
		t.Errorf("none: got %v, %v", got, err)
	}
}

// TestPrunePolicy: the documented policy for pruning lets reports be removed, and
// nothing else.
func TestPrunePolicy(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/credentials.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## A principal for pruning\n")
	found := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(section, -1)
	if len(found) != 2 {
		t.Fatalf("docs/credentials.md has %d policies for pruning", len(found))
	}
	prune, err := ossfake.Policy(`{"Statement": [` + found[1][1] + `]}`)
	if err != nil {
		t.Fatal(err)
	}
	least, _ := documented(t)
	f := newFake(t)
	f.Do(func() { f.Keys[keyID] = ossfake.Key{Secret: keySecret, Allow: append(least, prune...)} })
	s := f.open(t, func(o *Options) { o.Prefix = "packseal" })
	const dir = "prod/cp-1/2026/03/20260331T180000Z/"
	for key, allowed := range map[string]bool{dir + "report-0123456789ab.xls": true, dir + "manifest.json": false, "packseal-ledger/batch/000": false} {
		mustPut(t, s, key, x)
		if err := s.DeleteObject(t.Context(), key); (err == nil) != allowed || !allowed && fault.Of(err) != fault.SinkDenied {
			t.Errorf("removing %s: %v", key, err)
		}
	}
}
