package sinktest

import (
	"context"
	"strings"
	"testing"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// testPut puts objects of sizes that a backend may treat differently (empty, one
// byte, one report, several parts), each of them twice: a repeated Put must
// succeed.
func testPut(t *testing.T, s sink.Sink) {
	for key, b := range map[string][]byte{
		"empty": {}, "one": {0}, "a/b/c/small": random(48<<10, 1), "a/b/large": random(large, 2),
	} {
		mustPut(t, s, key, b)
		wantBytes(t, s, key, b)
		mustPut(t, s, key, b)
		wantBytes(t, s, key, b)
	}
}

// testWriteOnce puts other content under an existing key, of the same size,
// larger, smaller, and empty: the object must not change.
func testWriteOnce(t *testing.T, s sink.Sink) {
	for key, b := range map[string][]byte{"empty": {}, "x/small": random(1000, 1), "x/large": random(large, 2)} {
		mustPut(t, s, key, b)
		for _, other := range [][]byte{random(len(b), 9), random(len(b)+1, 9), random(len(b)/2, 9), {}} {
			if len(b) == 0 && len(other) == 0 {
				continue
			}
			wantReason(t, "Put of other bytes", s.Put(t.Context(), key, sink.Bytes(other)), fault.Conflict)
		}
		wantBytes(t, s, key, b)
	}
}

// testKeys uses keys with characters that occur in names of packs, sources and
// reports, or that are special to URLs, shells and file systems. Keys are case
// sensitive.
func testKeys(t *testing.T, s sink.Sink) {
	keys := []string{
		"审计 报告/合规包 一.xls", "with space/ leading and trailing ", "a+b%20c&d=é'(1)!~*@:;,$.txt", "100%", "x/#?fragment",
		"ca-f6/cp-a8/2026/01/20260102T030405Z/report-0123456789ab.zip", strings.Repeat("n", 200), "a..b/c...", "-", "UPPER", "upper",
	}
	for _, key := range keys {
		mustPut(t, s, key, []byte(key))
	}
	for _, key := range keys {
		wantBytes(t, s, key, []byte(key))
		wantKeys(t, s, key, []string{key})
	}
}

// testBadKeys uses keys that could lead outside the storage or to a backend's own
// files. The reason is fault.Internal: such a key is a bug of the caller.
func testBadKeys(t *testing.T, s sink.Sink) {
	for _, key := range []string{
		"", ".", "..", "/", "/a", "a/", "a//b", "./a", "a/.", "../a", "a/../b", ".hidden", "a/.hidden", ".tmp/a",
		"a\\b", "a\x00b", "a\nb", "a\x7f", "\xff",
	} {
		wantReason(t, "Put", s.Put(t.Context(), key, sink.Bytes([]byte("x"))), fault.Internal)
		if r, err := s.Open(t.Context(), key); err == nil {
			_ = r.Close()
			t.Errorf("Open %q succeeded", key)
		}
	}
	wantKeys(t, s, "", nil)
}

// testBadContent puts content that does not match its size or SHA-256.
func testBadContent(t *testing.T, s sink.Sink) {
	for key, b := range map[string][]byte{"small": random(1000, 1), "large": random(large, 2)} {
		altered, short, long, empty := sink.Bytes(b), sink.Bytes(b), sink.Bytes(b), sink.Bytes(b)
		altered.SHA256[0] ^= 1
		short.Size++
		long.Size--
		empty.Size = 0
		for name, c := range map[string]sink.Content{"altered": altered, "short": short, "long": long, "empty": empty} {
			wantReason(t, name, s.Put(t.Context(), key, c), fault.Damaged)
			wantNothing(t, s, key)
		}
		mustPut(t, s, key, b)
	}
}

// testCanceled calls each method with a context that has ended: it must fail with
// fault.Canceled, not with an error of the storage, and have no effect.
func testCanceled(t *testing.T, s sink.Sink) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantReason(t, "Put", s.Put(ctx, "k", sink.Bytes([]byte("x"))), fault.Canceled)
	wantNothing(t, s, "k")
	mustPut(t, s, "k", []byte("x"))
	_, err := s.Open(ctx, "k")
	wantReason(t, "Open", err, fault.Canceled)
	for _, err := range s.List(ctx, "", "") {
		wantReason(t, "List", err, fault.Canceled)
	}
}

// testInterrupted cancels a Put halfway: it leaves nothing, and does not prevent
// the next one.
func testInterrupted(t *testing.T, s sink.Sink) {
	b := random(large, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wantReason(t, "Put", s.Put(ctx, "k", interrupted(b, cancel)), fault.Canceled)
	wantNothing(t, s, "k")
	mustPut(t, s, "k", b)
	wantBytes(t, s, "k", b)
}
