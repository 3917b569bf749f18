package sink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"sync"

	"packseal.example/internal/fault"
)

// Content is what Put stores. Readers of it may be used at the same time and
// again, so that a Put can be repeated.
type Content struct {
	io.ReaderAt
	Size   int64
	SHA256 [sha256.Size]byte

	// File is the path of a file that holds just these bytes and that nobody
	// will ever write to again, or empty. A sink may take the file over, by a
	// link, where it would have made a copy.
	File string
}

// Bytes makes the Content of b, which must not change afterwards.
func Bytes(b []byte) Content {
	return Content{ReaderAt: bytes.NewReader(b), Size: int64(len(b)), SHA256: sha256.Sum256(b)}
}

// Reader reads c from its beginning.
func (c Content) Reader() *io.SectionReader { return io.NewSectionReader(c.ReaderAt, 0, c.Size) }

// chunk is how much Copy reads, hashes and writes at a time.
const chunk = 512 << 10

// chunks are kept from one Copy to the next: reports are many and mostly small.
var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

// Copy writes c to w and reports, as fault.Damaged, that its bytes are not as
// Size and SHA256 say; w has some of them by then. What went wrong in reading
// is fault.Internal, and w's own error is returned as it is.
func (c Content) Copy(ctx context.Context, w io.Writer) error {
	h := sha256.New()
	buf := chunks.Get().(*[chunk]byte)
	defer chunks.Put(buf)
	for off := int64(0); off < c.Size; {
		if err := Ended(ctx); err != nil {
			return err
		}
		b := buf[:min(int64(len(buf)), c.Size-off)]
		if n, err := c.ReadAt(b, off); n < len(b) {
			if errors.Is(err, io.EOF) {
				return fault.New(fault.Damaged, "content ends after %d bytes of %d", off+int64(n), c.Size)
			}
			return fault.New(fault.Internal, "reading content: %w", err)
		}
		// Hashing takes about as long as writing: do both at once.
		var hashing sync.WaitGroup
		hashing.Go(func() { h.Write(b) })
		_, err := w.Write(b)
		hashing.Wait()
		if err != nil {
			return err
		}
		off += int64(len(b))
	}
	if [sha256.Size]byte(h.Sum(nil)) != c.SHA256 {
		return fault.New(fault.Damaged, "content of %d bytes does not have its SHA-256", c.Size)
	}
	return nil
}

// Body is an object being read: what Open returns. Its errors are classified.
type Body struct {
	io.ReadCloser
	Classify func(error) error // of the backend
}

// Read implements [io.Reader].
func (b Body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = b.Classify(err)
	}
	return n, err
}
