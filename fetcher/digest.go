package fetcher

import (
	"crypto/md5" // what OSS sends as Content-MD5; not for security
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc64"
	"io"
	"net/http"
	"strconv"
	"sync"

	"packseal.example/internal/fault"
)

// digest computes all checksums of a body, and takes a sample of it. MD5 takes as
// long as the other two together, so it runs concurrently for large writes.
type digest struct {
	sha, md5 hash.Hash
	crc      hash.Hash64
	sample
}

var ecma = sync.OnceValue(func() *crc64.Table { return crc64.MakeTable(crc64.ECMA) })

func newDigest() *digest {
	return &digest{sha: sha256.New(), md5: md5.New(), crc: crc64.New(ecma())}
}

// Write implements [io.Writer]. It never fails.
func (d *digest) Write(p []byte) (int, error) {
	d.sample.Write(p) //nolint:errcheck // it never fails
	if len(p) < chunk/2 {
		d.md5.Write(p)
		d.sha.Write(p)
		d.crc.Write(p)
		return len(p), nil
	}
	var side sync.WaitGroup
	side.Go(func() { d.md5.Write(p) })
	d.sha.Write(p)
	d.crc.Write(p)
	side.Wait()
	return len(p), nil
}

// sums sets the size and the checksums of r.
func (d *digest) sums(r *Report) {
	r.Size = d.size
	r.SHA256 = hex.EncodeToString(d.sha.Sum(nil))
	r.MD5 = hex.EncodeToString(d.md5.Sum(nil))
	r.CRC64 = strconv.FormatUint(d.crc.Sum64(), 10)
}

// check compares the checksums with those in the headers of the store.
func (d *digest) check(h http.Header) error {
	if want := h.Get("X-Oss-Hash-Crc64ecma"); want != "" {
		if got := strconv.FormatUint(d.crc.Sum64(), 10); got != want {
			return fault.New(fault.Damaged, "the body's CRC-64 is %s, the store's is %s", got, want)
		}
	}
	if want := h.Get("Content-Md5"); want != "" {
		if got := base64.StdEncoding.EncodeToString(d.md5.Sum(nil)); got != want {
			return fault.New(fault.Damaged, "the body's MD5 is %s, the store's is %s", got, want)
		}
	}
	return nil
}

// chunk is how many bytes of a body are in memory at a time.
const chunk = 256 << 10

var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

// copyBody copies r to w and d in whole chunks. Errors of w are classified as
// those of the local disk; errors of r are returned as they are.
func copyBody(w io.Writer, r io.Reader, d *digest) (n int64, err error) {
	buf := chunks.Get().(*[chunk]byte)
	defer chunks.Put(buf)
	for err == nil {
		k := 0
		for k < chunk && err == nil {
			var m int
			m, err = r.Read(buf[k:])
			k += m
		}
		if _, werr := w.Write(buf[:k]); werr != nil {
			return n, diskFault(werr)
		}
		d.Write(buf[:k])
		n += int64(k)
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}
