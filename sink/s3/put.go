package s3

import (
	"context"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// metadataSum is where each object carries its SHA-256 in hex: what tells
// without reading it whether a key that is taken holds the same bytes.
const metadataSum = "sha256"

// Put implements [sink.Sink].
//
// The content is read and hashed once before it is sent: no store then needs
// to be trusted to find that it is not what it says. What is sent is signed
// with the same sums, so that the store finds what is altered on the way.
func (s *Sink) Put(ctx context.Context, key string, c sink.Content) error {
	if err := sink.CheckKey(key); err != nil {
		return err
	}
	if s.honours.Load() == no {
		return errUnconditional("ignores")
	}
	parts := newSums(s.partSize(c.Size))
	var w io.Writer = io.Discard
	if c.Size > s.threshold {
		w = parts
	}
	if err := c.Copy(ctx, w); err != nil {
		return err
	}
	if s.looks(c) {
		if found, err := s.settle(ctx, key, c); found || err != nil {
			return err
		}
	}
	if err := s.write(ctx, key, c, parts.all()); err != nil {
		return s.refused(ctx, key, c, err)
	}
	if s.off() || c.Size > s.threshold || s.options.ObjectLock != nil {
		switch found, err := s.settle(ctx, key, c); {
		case err != nil:
			return err
		case !found:
			return fault.New(fault.SinkUnavailable, "the store took %s and does not have it", key)
		}
	}
	return s.prove(ctx, key, c)
}

// off is the weaker mode.
func (s *Sink) off() bool { return s.options.ConditionalWrites == writesOff }

// looks reports whether to look before a write: where the store may not keep
// the condition, and where it would find only after many bytes that it fails.
func (s *Sink) looks(c sink.Content) bool {
	return s.off() || s.honours.Load() != yes || c.Size > s.threshold
}

func (s *Sink) write(ctx context.Context, key string, c sink.Content, parts []sum) error {
	if c.Size > s.threshold {
		return s.putParts(ctx, key, c, parts)
	}
	return s.putObject(ctx, key, c)
}

// putObject writes c in one request.
func (s *Sink) putObject(ctx context.Context, key string, c sink.Content) error {
	in := &s3.PutObjectInput{
		Bucket: &s.options.Bucket, Key: s.key(key), Body: c.Reader(), ContentLength: &c.Size,
		ChecksumSHA256: sum(c.SHA256).base64(),
		IfNoneMatch:    s.condition(),
		Metadata:       map[string]string{metadataSum: sum(c.SHA256).hex()},
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = s.encryption()
	in.ObjectLockMode, in.ObjectLockRetainUntilDate = s.retention()
	_, err := s.client.PutObject(ctx, in, sum(c.SHA256).signed)
	return err
}

// condition is the value of If-None-Match: that there is no such object.
func (s *Sink) condition() *string {
	if s.off() {
		return nil
	}
	return aws.String("*")
}

func (s *Sink) encryption() (types.ServerSideEncryption, *string) {
	if s.options.SSE == nil {
		return "", nil
	}
	var key *string
	if s.options.SSE.KMSKeyID != "" {
		key = &s.options.SSE.KMSKeyID
	}
	return types.ServerSideEncryption(s.options.SSE.Type), key
}

func (s *Sink) retention() (types.ObjectLockMode, *time.Time) {
	lock := s.options.ObjectLock
	if lock == nil {
		return "", nil
	}
	return types.ObjectLockMode(lock.Mode), aws.Time(time.Now().UTC().AddDate(0, 0, lock.Days).Truncate(time.Second))
}

// refused answers for a write that failed with err.
func (s *Sink) refused(ctx context.Context, key string, c sink.Content, err error) error {
	a := answerOf(err)
	err = classify(ctx, err, "putting "+key)
	switch {
	case sink.Ended(ctx) != nil || s.off() && a.status != 0:
		return err
	case a.exists():
		s.honours.CompareAndSwap(unknown, yes)
		found, serr := s.settle(ctx, key, c)
		if !found && serr == nil { // being written by somebody who may yet fail
			return fault.New(fault.SinkUnavailable, "%s is being written by somebody else", key)
		}
		return serr
	case a.unconditional() && s.honours.Load() != yes && s.options.ObjectLock == nil && s.options.SSE == nil:
		return errUnconditional("refuses")
	case a.unconditional() && s.honours.Load() != yes: // the same codes mean each of these
		return fault.New(fault.SinkDenied, "%w", err).WithHint("see that the bucket has the object_lock and sse that are configured; a store without If-None-Match needs conditional_writes: off")
	case a.status != 0:
		return err
	}
	// No answer: it may be lost, or never have been heard, for a store that
	// refuses a condition can reset the connection while the body is sent.
	if found, serr := s.settle(ctx, key, c); found || fault.Of(serr) == fault.Conflict {
		return serr
	}
	return err
}
