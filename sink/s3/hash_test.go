package s3

import (
	"crypto/sha256"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The sums do not depend on how the content is split into writes.
func TestSums(t *testing.T) {
	t.Parallel()
	b := random(1000)
	for _, part := range []int{1, 7, 100, 999, 1000, 1001} {
		for _, step := range []int{1, 3, 100, 250, 1000} {
			s := newPartSums(int64(part))
			var want []sum
			for off := 0; off < len(b); off += step {
				_, _ = s.Write(b[off:min(off+step, len(b))])
			}
			for off := 0; off < len(b); off += part {
				want = append(want, sha256.Sum256(b[off:min(off+part, len(b))]))
			}
			if diff := cmp.Diff(want, s.all()); diff != "" {
				t.Errorf("parts of %d, writes of %d: %s", part, step, diff)
			}
		}
	}
}

func TestPartSize(t *testing.T) {
	t.Parallel()
	s := &Sink{part: 10}
	for size, want := range map[int64]int64{0: 10, 100: 10, 100_000: 10, 100_001: 11, 1_000_000: 100} {
		if got := s.partSize(size); got != want {
			t.Errorf("%d bytes: parts of %d, want %d", size, got, want)
		}
	}
}
