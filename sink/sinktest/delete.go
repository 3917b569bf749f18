package sinktest

import (
	"testing"

	"packseal.example/sink"
)

// Deletes tests the contract of [sink.Deleter]. It is not a part of [Run]: the
// credentials that seal may not delete.
func Deletes(t *testing.T, s sink.Sink) {
	t.Helper()
	d, ok := s.(sink.Deleter)
	if !ok {
		t.Fatalf("%T is no sink.Deleter", s)
	}
	for _, key := range []string{"", "/a", "a/../b"} {
		if err := d.DeleteObject(t.Context(), key); err == nil {
			t.Errorf("deleting %q succeeds", key)
		}
	}
	a, b := random(100, 1), random(200, 2)
	mustPut(t, s, "d/a/x", a)
	mustPut(t, s, "d/a/y", b)
	for range 2 { // a key without an object is no error
		for _, key := range []string{"d/a/x", "d/none", "none/x"} {
			if err := d.DeleteObject(t.Context(), key); err != nil {
				t.Fatalf("deleting %q: %v", key, err)
			}
		}
	}
	wantNothing(t, s, "d/a/x")
	wantBytes(t, s, "d/a/y", b)
	wantKeys(t, s, "d/", []string{"d/a/y"})
	if deleted, err := sink.Deletions(t.Context(), s, "d/"); err != nil || len(deleted) != 0 {
		t.Errorf("what is left of it: %v, %v", deleted, err)
	}
	mustPut(t, s, "d/a/x", b) // nothing hides that the key is free
	wantBytes(t, s, "d/a/x", b)
}
