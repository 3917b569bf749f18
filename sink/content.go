package sink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"sync"

	"packseal.example/internal/fault"
)

// Content is what Put stores. It can be read repeatedly and concurrently, so
// that a Put can be repeated.
type Content struct {
	io.ReaderAt
	Size   int64
	SHA256 [sha256.Size]byte

	// Sums are further sums of the content where they are known, or nil. Some stores
	// compare them with what arrives.
	Sums *Sums

	// File is the path of a file with exactly these bytes that is never
	// written to again, or empty. A sink may hard-link the file instead of
	// copying it.
	File string

	// About is what storage shows to people beside the object, if it can.
	About About
}

// Sums are sums of content that protect it on its way.
type Sums struct {
	MD5   [16]byte
	CRC64 uint64 // ECMA polynomial
}

// About describes an object to people who look at the storage. It is no evidence:
// of the same bytes put again it may differ, and what is there stays.
type About struct {
	Type  string            // media type, such as "application/zip"
	Name  string            // for a file that is saved from it, in one line
	Facts map[string]string // small texts by names of a-z
}

// Bytes returns b as Content. The caller must not modify b afterwards.
func Bytes(b []byte) Content {
	return Content{ReaderAt: bytes.NewReader(b), Size: int64(len(b)), SHA256: sha256.Sum256(b)}
}

// Reader returns a reader of all of c.
func (c Content) Reader() *io.SectionReader { return io.NewSectionReader(c.ReaderAt, 0, c.Size) }

// chunk is how many bytes Copy reads, hashes and writes at a time; of content that is
// no larger than few, few.
const (
	chunk = 512 << 10
	few   = 64 << 10
)

// chunks are buffers for Copy. Most reports are smaller than one, and many than the
// small ones, which cost less to make.
var (
	chunks = sync.Pool{New: func() any { return new([chunk]byte) }}
	small  = sync.Pool{New: func() any { return new([few]byte) }}
)

// buffer returns a buffer for content of that many bytes, and what gives it back.
func buffer(size int64) (b []byte, free func()) {
	if size <= few {
		a := small.Get().(*[few]byte)
		return a[:], func() { small.Put(a) }
	}
	a := chunks.Get().(*[chunk]byte)
	return a[:], func() { chunks.Put(a) }
}

// Copy writes c to w. The error is fault.Damaged if the bytes do not match Size
// and SHA256, by which time some have been written; fault.Internal if reading c
// fails; and that of w, as it is, if writing fails.
func (c Content) Copy(ctx context.Context, w io.Writer) error {
	h := sha256.New()
	buf, free := buffer(c.Size)
	defer free()
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
		if err := writeAndHash(w, h, b); err != nil {
			return err
		}
		off += int64(len(b))
	}
	if [sha256.Size]byte(h.Sum(nil)) != c.SHA256 {
		return fault.New(fault.Damaged, "content of %d bytes does not match its SHA-256", c.Size)
	}
	return nil
}

// writeAndHash writes and hashes b, both at once, since either takes about as long,
// unless b is so short that a goroutine takes longer, or is written nowhere.
func writeAndHash(w io.Writer, h hash.Hash, b []byte) error {
	if len(b) < 8<<10 || w == io.Discard {
		h.Write(b)
		_, err := w.Write(b)
		return err
	}
	var hashing sync.WaitGroup
	hashing.Go(func() { h.Write(b) })
	_, err := w.Write(b)
	hashing.Wait()
	return err
}

// Body is a reader for Open to return. It classifies the errors of Read.
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
