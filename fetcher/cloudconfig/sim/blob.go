package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"math/rand/v2"
)

// blockSize is the period of a blob, apart from block numbers.
const blockSize = 64 << 10

// blob is a body of any size that takes little memory: a pseudorandom block that
// repeats, with its number in the first eight bytes.
type blob struct {
	block []byte
	size  int64
}

// newBlob returns the blob for the seed.
func newBlob(seed string, size int64) *blob {
	b := &blob{block: make([]byte, min(blockSize, max(8, size))), size: size}
	rand.NewChaCha8(sha256.Sum256([]byte(seed))).Read(b.block) //nolint:errcheck // cannot fail
	return b
}

// ReadAt implements [io.ReaderAt].
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
