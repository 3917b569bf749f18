package s3

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
)

// sum is a SHA-256 with the encodings of the protocol.
type sum [sha256.Size]byte

func (h sum) hex() string     { return hex.EncodeToString(h[:]) }
func (h sum) base64() *string { return aws.String(base64.StdEncoding.EncodeToString(h[:])) }

// signed makes the signature of a request cover a body with that sum. By
// default, the SDK reads the body an extra time over http and does not sign it
// over https. Every store verifies signatures, even one that does not know
// checksum headers.
func (h sum) signed(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("PacksealPayloadHash", func(
			ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
		) (middleware.FinalizeOutput, middleware.Metadata, error) {
			return next.HandleFinalize(v4.SetPayloadHash(ctx, h.hex()), in)
		}), "ComputePayloadHash", middleware.Before)
	})
}

// partSums hashes the parts of what is written to it.
type partSums struct {
	part int64 // bytes in each part
	left int64 // bytes until the current part is complete
	sums []sum
	hash hash.Hash
}

func newPartSums(part int64) *partSums { return &partSums{part: part, left: part, hash: sha256.New()} }

// Write adds p to the current part and those that follow. It never fails.
func (s *partSums) Write(p []byte) (int, error) {
	n := len(p)
	for int64(len(p)) >= s.left {
		_, _ = s.hash.Write(p[:s.left])
		p = p[s.left:]
		s.end()
	}
	_, _ = s.hash.Write(p)
	s.left -= int64(len(p))
	return n, nil
}

// end completes the current part.
func (s *partSums) end() {
	s.sums = append(s.sums, sum(s.hash.Sum(nil)))
	s.hash.Reset()
	s.left = s.part
}

// all returns the sums of all parts; the last one may be shorter.
func (s *partSums) all() []sum {
	if s.left < s.part {
		s.end()
	}
	return s.sums
}
