package oss

import (
	"context"
	"crypto/md5" // what OSS compares; not for security
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc64"
	"io"
	"strconv"

	"packseal.example/sink"
)

var ecma = crc64.MakeTable(crc64.ECMA)

// decimal returns a CRC-64 as OSS writes it.
func decimal(crc uint64) string { return strconv.FormatUint(crc, 10) }

func hexSum(c sink.Content) string { return hex.EncodeToString(c.SHA256[:]) }

// sums are those of content that is written in parts: its CRC-64, which OSS keeps, and
// those of each part.
type sums struct {
	crc   uint64
	parts []partSum // at least one
}

// partSum has the sums of a part.
type partSum struct {
	md5 string // in Base64, which protects it on its way
	crc uint64
}

// newSums reads c, and returns its sums in parts of part bytes. It fails as
// [sink.Content.Copy] does.
func newSums(ctx context.Context, c sink.Content, part int64) (sums, error) {
	if c.Sums != nil && c.Size <= part {
		return sums{c.Sums.CRC64, []partSum{newPartSum(c.Sums.MD5[:], c.Sums.CRC64)}}, c.Copy(ctx, io.Discard)
	}
	h := hasher{whole: crc64.New(ecma), crc: crc64.New(ecma), md5: md5.New(), part: part, left: part}
	err := c.Copy(ctx, &h)
	if h.left < part || c.Size == 0 {
		h.end() // the last part may be shorter
	}
	return sums{h.whole.Sum64(), h.parts}, err
}

func newPartSum(md5 []byte, crc uint64) partSum {
	return partSum{base64.StdEncoding.EncodeToString(md5), crc}
}

// hasher reckons the sums of what is written to it.
type hasher struct {
	whole, crc hash.Hash64 // of all, and of the current part
	md5        hash.Hash   // of the current part
	part       int64       // bytes in each part
	left       int64       // bytes until the current part is complete
	parts      []partSum
}

// Write implements [io.Writer]. It never fails.
func (h *hasher) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		some := p[:min(int64(len(p)), h.left)]
		for _, w := range []io.Writer{h.whole, h.crc, h.md5} {
			_, _ = w.Write(some)
		}
		p = p[len(some):]
		if h.left -= int64(len(some)); h.left == 0 {
			h.end()
		}
	}
	return n, nil
}

// end completes the current part.
func (h *hasher) end() {
	h.parts = append(h.parts, newPartSum(h.md5.Sum(nil), h.crc.Sum64()))
	h.md5.Reset()
	h.crc.Reset()
	h.left = h.part
}
