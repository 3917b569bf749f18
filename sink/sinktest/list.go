package sinktest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"packseal.example/sink"
)

// testNotExist opens keys below an object, beside one, in a directory and in
// none.
func testNotExist(t *testing.T, s sink.Sink) {
	wantKeys(t, s, "", nil)
	wantNothing(t, s, "a")
	mustPut(t, s, "a/b/c", []byte("x"))
	for _, key := range []string{"a/b/c/d", "a/b/cc", "b"} {
		wantNothing(t, s, key)
	}
	// A prefix of keys is not an object.
	for _, key := range []string{"a", "a/b"} {
		if r, err := s.Open(t.Context(), key); err == nil {
			_ = r.Close()
			t.Errorf("Open %q, a prefix, succeeded", key)
		}
	}
}

// testList lists in byte order, which differs from that of a directory walk:
// "a-b" and "a.b" come before "a/b", and "a0" after it.
func testList(t *testing.T, s sink.Sink) {
	keys := []string{"a b", "a-b", "a.b/x", "a/b", "a/b-c", "a/b.d/e", "a/c/1", "a/c/2", "a0", "ab", "b/审计/一", "b/审计/二", "z"}
	shuffled := slices.Clone(keys)
	slices.Reverse(shuffled)
	for _, key := range shuffled {
		mustPut(t, s, key, []byte(key))
	}
	for _, prefix := range []string{"", "a", "a/", "a/b", "a/b-", "a/c/", "a/c/2", "b/审", "c", "/", "//", "a//", "../", "./", "a/.", ".", "z/", "a/b/", "a\\"} {
		var want []string
		for _, key := range keys {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		wantKeys(t, s, prefix, want)
	}
	for e, err := range s.List(t.Context(), "", "") {
		if err != nil || e.Size != int64(len(e.Key)) || e.ModTime.IsZero() {
			t.Errorf("got %+v, %v; want %d bytes and a time", e, err, len(e.Key))
		}
	}
}

// testListAfter lists after keys of objects, keys that do not exist, prefixes of
// keys, keys before and beyond the prefix, and strings that are not valid keys.
func testListAfter(t *testing.T, s sink.Sink) {
	keys := []string{"a-b", "a/1/x", "a/1/y", "a/1-z", "a/2/x", "a/2/y/z", "a0", "b/审计/一", "b/审计/二", "c"}
	slices.Sort(keys)
	for _, key := range keys {
		mustPut(t, s, key, []byte(key))
	}
	afters := append([]string{
		"0", "a", "a-", "a-c", "a/", "a/1", "a/1/", "a/1/xx", "a/1/z", "a/1/x/y", "a/2", "a/2/y", "a/2/y/z/", "a1", "b", "b/审", "b/审计/三", "d", "~",
		"/", "a//", "a/.", "a/1\x7f", "a/2\xff", "\xff",
	}, keys...)
	for _, prefix := range []string{"", "a", "a/", "a/1", "a/1/", "a/2/y", "b/", "c", "d", "//"} {
		for _, after := range afters {
			var want []string
			for _, key := range keys {
				if strings.HasPrefix(key, prefix) && key > after {
					want = append(want, key)
				}
			}
			wantKeysAfter(t, s, prefix, after, want)
		}
	}
}

// testListMany lists more keys than a store returns in one page (1,000 in S3).
func testListMany(t *testing.T, s sink.Sink) {
	if testing.Short() {
		t.Skip("stores over a thousand objects")
	}
	keys := make([]string, 1005)
	var wg sync.WaitGroup
	for w := range racers {
		wg.Go(func() {
			for i := w; i < len(keys); i += racers {
				keys[i] = fmt.Sprintf("many/%04d", i)
				if err := s.Put(t.Context(), keys[i], sink.Bytes(nil)); err != nil {
					t.Errorf("Put %s: %v", keys[i], err)
				}
			}
		})
	}
	wg.Wait()
	wantKeys(t, s, "many/", keys)
	wantKeys(t, s, "many/100", keys[1000:])
	wantKeysAfter(t, s, "many/", keys[1], keys[2:])
	wantKeysAfter(t, s, "many/", keys[1000], keys[1001:])
}

// testListStopped stops an iteration, and repeats one.
func testListStopped(t *testing.T, s sink.Sink) {
	for _, key := range []string{"a/1", "a/2", "b/1"} {
		mustPut(t, s, key, []byte("x"))
	}
	for e, err := range s.List(t.Context(), "", "") {
		if err != nil || e.Key != "a/1" {
			t.Errorf("got %v, %v; want a/1", e, err)
		}
		break
	}
	all := s.List(t.Context(), "a/", "")
	for range 2 {
		n := 0
		for range all {
			n++
		}
		if n != 2 {
			t.Errorf("got %d entries, want 2", n)
		}
	}
}
