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

// sum is a SHA-256 as the protocol writes it.
type sum [sha256.Size]byte

func (h sum) hex() string     { return hex.EncodeToString(h[:]) }
func (h sum) base64() *string { return aws.String(base64.StdEncoding.EncodeToString(h[:])) }

// signed makes the request's signature cover a body of that sum. Left alone,
// the SDK reads the body once more over http and does not sign it over https.
// A store has to check what is signed, also one that knows no checksum header.
func (h sum) signed(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("PacksealPayloadHash", func(
			ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
		) (middleware.FinalizeOutput, middleware.Metadata, error) {
			return next.HandleFinalize(v4.SetPayloadHash(ctx, h.hex()), in)
		}), "ComputePayloadHash", middleware.Before)
	})
}

// sums hashes the parts of what is written to it.
type sums struct {
	part int64 // bytes in each
	left int64 // bytes until the part at hand is whole
	sums []sum
	hash hash.Hash
}

func newSums(part int64) *sums { return &sums{part: part, left: part, hash: sha256.New()} }

// Write hashes p, across as many parts as it touches. It never fails.
func (s *sums) Write(p []byte) (int, error) {
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

// end ends the part at hand.
func (s *sums) end() {
	s.sums = append(s.sums, sum(s.hash.Sum(nil)))
	s.hash.Reset()
	s.left = s.part
}

// all returns the sums, with that of the rest.
func (s *sums) all() []sum {
	if s.left < s.part {
		s.end()
	}
	return s.sums
}
