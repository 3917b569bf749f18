package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"math/rand/v2"
)

// blockSize is the length after which a blob repeats, but for its numbers.
const blockSize = 64 << 10

// blob is a body of any size that takes no memory: a block that looks random,
// over and over, the first eight bytes of each holding its number, so that no
// two stretches are the same.
type blob struct {
	block []byte
	size  int64
}

// newBlob returns the blob that belongs to the seed.
func newBlob(seed string, size int64) *blob {
	b := &blob{block: make([]byte, min(blockSize, max(8, size))), size: size}
	rand.NewChaCha8(sha256.Sum256([]byte(seed))).Read(b.block) //nolint:errcheck // never fails
	return b
}

// ReadAt fills p from off on.
func (b *blob) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) && off < b.size {
		number, at := off/blockSize, off%blockSize
		part := p[n:min(int64(len(p)), int64(n)+b.size-off)]
		var head [8]byte
		binary.BigEndian.PutUint64(head[:], uint64(number)^binary.BigEndian.Uint64(b.block))
		copied := 0
		if at < 8 {
			copied = copy(part, head[at:])
		} else {
			copied = copy(part, b.block[at:])
		}
		n, off = n+copied, off+int64(copied)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
