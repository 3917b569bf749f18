package oss

import (
	"context"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/bucket"
)

// Put implements [sink.Sink].
//
// The content is read and hashed before it is sent, so that it does not depend on
// OSS to detect content that does not match its sums. OSS compares the MD5 with what
// arrives, and says the CRC-64 of what it stored.
func (s *Sink) Put(ctx context.Context, key string, c sink.Content) error {
	if err := sink.CheckKey(key); err != nil {
		return err
	}
	sums, err := newSums(ctx, c, s.partSize(c.Size))
	if err != nil {
		return err
	}
	if err := s.checkBucket(ctx); err != nil {
		return err
	}
	if s.unconditional() || !s.enforced.Load() {
		if found, err := s.matches(ctx, key, c, sums.crc); found || err != nil {
			return err
		}
	}
	w, err := s.write(ctx, key, c, sums)
	if err != nil {
		return s.writeFailed(ctx, key, c, sums.crc, err)
	}
	if err := s.checkWritten(key, w, sums.crc); err != nil {
		return err
	}
	if w.crc == "" || s.unconditional() || c.Size > s.threshold || s.options.SSE != nil {
		switch found, err := s.matches(ctx, key, c, sums.crc); {
		case err != nil:
			return err
		case !found:
			return fault.New(fault.SinkUnavailable, "OSS accepted %s but does not have it", key)
		}
	}
	return s.probeForbidden(ctx, key, c, sums)
}

// written is what OSS says of an object that it stored.
type written struct {
	crc     string // the CRC-64; empty if it does not say
	version string // empty in a bucket without versioning
}

// checkWritten checks what OSS said of the object.
func (s *Sink) checkWritten(key string, w written, crc uint64) error {
	switch {
	case w.version != "" && !s.unconditional():
		s.versioned.Store(true)
		s.checked.Store(false)
		return errVersioned(seen)
	case w.crc != "" && w.crc != decimal(crc):
		return fault.New(fault.Damaged, "OSS stored %s with the CRC-64 %.20q, not %d", key, w.crc, crc)
	}
	return nil
}

func (s *Sink) write(ctx context.Context, key string, c sink.Content, sums sums) (written, error) {
	if c.Size > s.threshold {
		return s.putParts(ctx, key, c, sums.parts)
	}
	return s.putObject(ctx, key, c, sums.parts[0].md5)
}

// putObject writes c in a single request.
func (s *Sink) putObject(ctx context.Context, key string, c sink.Content, md5 string) (w written, err error) {
	out, err := ask(ctx, s, func(ctx context.Context) (*alioss.PutObjectResult, error) {
		in := &alioss.PutObjectRequest{
			Bucket: &s.options.Bucket, Key: s.key(key), Body: c.Reader(), ContentLength: &c.Size, ContentMD5: &md5,
			ForbidOverwrite: s.condition(), Metadata: bucket.Metadata(c),
			ContentType: bucket.Optional(c.About.Type), ContentDisposition: bucket.Disposition(c.About.Name),
		}
		in.ServerSideEncryption, in.ServerSideEncryptionKeyId = s.encryption()
		return s.api.putObject(ctx, in)
	})
	if err != nil {
		return w, err
	}
	return written{alioss.ToString(out.HashCRC64), alioss.ToString(out.VersionId)}, nil
}

func (s *Sink) encryption() (kind, key *string) {
	if s.options.SSE == nil {
		return nil, nil
	}
	return &s.options.SSE.Type, bucket.Optional(s.options.SSE.KMSKeyID)
}

// unconditional reports whether replacing is not forbidden.
func (s *Sink) unconditional() bool { return s.Weaker() != "" }

// Weaker implements [sink.Weakener].
func (s *Sink) Weaker() string { return s.options.Weaker() }

// condition returns the value of x-oss-forbid-overwrite.
func (s *Sink) condition() *string {
	if s.unconditional() {
		return nil
	}
	return alioss.Ptr("true")
}

// writeFailed returns the result of a Put whose write failed with err. It may have
// succeeded nevertheless: what the key holds tells.
func (s *Sink) writeFailed(ctx context.Context, key string, c sink.Content, crc uint64, err error) error {
	e := parseError(err)
	failed := classify(ctx, err, "putting "+key)
	if sink.Ended(ctx) != nil || !e.exists() && !e.lost() {
		return failed
	}
	if e.exists() {
		s.enforced.Store(true)
	}
	switch found, merr := s.matches(ctx, key, c, crc); {
	case found || fault.Of(merr) == fault.Conflict:
		return merr
	case !e.exists():
		return failed
	case merr != nil:
		return merr
	}
	return fault.New(fault.SinkUnavailable, "another writer is storing %s, or it was deleted", key)
}
