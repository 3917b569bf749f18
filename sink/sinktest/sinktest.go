// Package sinktest tests whether an implementation of [sink.Sink] keeps the
// contract.
package sinktest

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"io"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Run tests the whole contract in parallel subtests of t. Each call of open must
// return a new, empty sink; it is called concurrently.
func Run(t *testing.T, open func(t *testing.T) sink.Sink) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, sink.Sink)
	}{
		{"Put", testPut},
		{"WriteOnce", testWriteOnce},
		{"Keys", testKeys},
		{"BadKeys", testBadKeys},
		{"BadContent", testBadContent},
		{"Canceled", testCanceled},
		{"Interrupted", testInterrupted},
		{"RaceOther", testRaceOther},
		{"RaceSame", testRaceSame},
		{"Concurrent", testConcurrent},
		{"NotExist", testNotExist},
		{"List", testList},
		{"ListAfter", testListAfter},
		{"ListMany", testListMany},
		{"ListStopped", testListStopped},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

// large is the size of an object that a backend may store in parts: two of 5
// MiB, the least that S3 allows, and a shorter one.
const large = 11<<20 + 3

// random returns n pseudorandom bytes that depend on the seed only.
func random(n int, seed byte) []byte {
	b := make([]byte, n)
	block, err := aes.NewCipher(bytes.Repeat([]byte{seed}, 16))
	if err != nil {
		panic(err) // the key is 16 bytes
	}
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(b, b)
	return b
}

// mustPut stores b under key.
func mustPut(t *testing.T, s sink.Sink, key string, b []byte) {
	t.Helper()
	if err := s.Put(t.Context(), key, sink.Bytes(b)); err != nil {
		t.Fatalf("Put %q: %v", key, err)
	}
}

// wantReason fails the test unless err has that reason.
func wantReason(t *testing.T, what string, err error, want fault.Reason) {
	t.Helper()
	if fault.Of(err) != want {
		t.Errorf("%s: got %v (reason %q), want reason %q", what, err, fault.Of(err), want)
	}
}

// wantBytes fails the test unless key holds want.
func wantBytes(t *testing.T, s sink.Sink, key string, want []byte) {
	t.Helper()
	r, err := s.Open(t.Context(), key)
	if err != nil {
		t.Errorf("opening %q: %v", key, err)
		return
	}
	got := make([]byte, len(want)+1)
	n, err := io.ReadFull(r, got)
	if err != io.EOF && err != io.ErrUnexpectedEOF || r.Close() != nil || !bytes.Equal(got[:n], want) {
		t.Errorf("%q gives %d bytes (%v), not the %d that were put", key, n, err, len(want))
	}
}

// wantNothing fails the test if key can be opened or is listed.
func wantNothing(t *testing.T, s sink.Sink, key string) {
	t.Helper()
	r, err := s.Open(t.Context(), key)
	if err == nil {
		_ = r.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open %q: got %v, want fs.ErrNotExist", key, err)
	}
	for e, err := range s.List(t.Context(), key, "") {
		t.Errorf("List %q: got %v, %v; want nothing", key, e, err)
	}
}

// wantKeys fails the test unless want are the keys that begin with prefix.
func wantKeys(t *testing.T, s sink.Sink, prefix string, want []string) {
	t.Helper()
	wantKeysAfter(t, s, prefix, "", want)
}

// wantKeysAfter fails the test unless want are the keys that begin with prefix
// and are greater than after.
func wantKeysAfter(t *testing.T, s sink.Sink, prefix, after string, want []string) {
	t.Helper()
	var got []string
	for e, err := range s.List(t.Context(), prefix, after) {
		if err != nil {
			t.Errorf("List %q after %q: %v", prefix, after, err)
			return
		}
		got = append(got, e.Key)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("List %q after %q (-want +got):\n%s", prefix, after, diff)
	}
}

// hooked is a reader that calls a function before each ReadAt.
type hooked struct {
	*bytes.Reader
	before func(off int64)
}

// ReadAt implements [io.ReaderAt].
func (h hooked) ReadAt(p []byte, off int64) (int, error) {
	h.before(off)
	return h.Reader.ReadAt(p, off)
}

// interrupted returns b as content that cancels the context once its second half
// is read.
func interrupted(b []byte, cancel context.CancelFunc) sink.Content {
	c := sink.Bytes(b)
	c.ReaderAt = hooked{bytes.NewReader(b), func(off int64) {
		if off >= int64(len(b)/2) {
			cancel()
		}
	}}
	return c
}
