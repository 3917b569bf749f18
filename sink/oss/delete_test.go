package oss

import (
	"errors"
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
