package oss

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc64"
	"strconv"
	"sync"

	"packseal.example/sink"
)

var ecma = crc64.MakeTable(crc64.ECMA)

// decimal returns a CRC-64 as OSS writes it.
func decimal(crc uint64) string { return strconv.FormatUint(crc, 10) }

func hexSum(c sink.Content) string { return hex.EncodeToString(c.SHA256[:]) }

func newSHA256() hash.Hash { return sha256.New() }

// sums are those of what is written to it: its CRC-64, which OSS keeps, and the MD5 of
// each part, which protects it on its way. Content in one part has the CRC-64 of
// that.
type sums struct {
	crc   hash.Hash64
	parts []partSum
	part  int64       // bytes in each part
	left  int64       // bytes until the current part is complete
	md5   hash.Hash   // of the current part; nil if there is one part, whose MD5 is known
	known []byte      // that
	each  hash.Hash64 // the CRC-64 of the current part; nil if there is one part
}

// partSum has the sums of a part.
type partSum struct {
	md5 string // in Base64
	crc uint64
}

// newSums returns the sums for c in parts of part bytes.
func newSums(c sink.Content, part int64) *sums {
	s := &sums{crc: crc64.New(ecma), part: part, left: part}
	switch {
	case c.Size > part:
		s.each, s.md5 = crc64.New(ecma), md5.New()
	case len(c.MD5) == md5.Size:
		s.known = c.MD5
	default:
		s.md5 = md5.New()
	}
	return s
}

// Write implements [io.Writer]. It never fails.
func (s *sums) Write(p []byte) (int, error) {
	n := len(p)
	for int64(len(p)) >= s.left {
		s.add(p[:s.left])
		p = p[s.left:]
		s.end()
	}
	s.add(p)
	s.left -= int64(len(p))
	return n, nil
}

// add adds p to the current part. The MD5 takes longest, so the rest is done beside
// it, unless p is so short that a goroutine takes longer.
func (s *sums) add(p []byte) {
	var beside sync.WaitGroup
	switch {
	case s.md5 == nil:
	case len(p) < 8<<10:
		_, _ = s.md5.Write(p)
	default:
		beside.Go(func() { s.md5.Write(p) })
	}
	_, _ = s.crc.Write(p)
	if s.each != nil {
		_, _ = s.each.Write(p)
	}
	beside.Wait()
}

// end completes the current part.
func (s *sums) end() {
	digest, crc := s.known, s.crc.Sum64()
	if s.md5 != nil {
		digest = s.md5.Sum(nil)
		s.md5.Reset()
	}
	if s.each != nil {
		crc = s.each.Sum64()
		s.each.Reset()
	}
	s.parts = append(s.parts, partSum{base64.StdEncoding.EncodeToString(digest), crc})
	s.left = s.part
}

// all returns the sums of all parts, of which there is at least one; the last one may
// be shorter.
func (s *sums) all() []partSum {
	if s.left < s.part || len(s.parts) == 0 {
		s.end()
	}
	return s.parts
}
