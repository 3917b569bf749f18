package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/bucket"
)

// Put implements [sink.Sink].
//
// The content is read and hashed before it is sent, so that it does not depend
// on the store to detect content that does not match its sums. The request is
// signed with the same sums, so that the store detects changes in transit.
func (s *Sink) Put(ctx context.Context, key string, c sink.Content) error {
	if err := sink.CheckKey(key); err != nil {
		return err
	}
	switch s.conditional.Load() {
	case ignored:
		return errNotConditional("ignores")
	case rejected:
		return errNotConditional("rejects")
	}
	parts := newPartSums(s.partSize(c.Size))
	var w io.Writer = io.Discard
	if c.Size > s.threshold {
		w = parts
	}
	if err := c.Copy(ctx, w); err != nil {
		return err
	}
	if s.checksFirst(c) {
		if found, err := s.matches(ctx, key, c); found || err != nil {
			return err
		}
	}
	err := s.write(ctx, key, c, parts.all())
	if parseError(err).rejected() && !s.withoutSums.Load() {
		err = s.writeWithoutSums(ctx, key, c, parts.all(), err)
	}
	if err != nil {
		return s.writeFailed(ctx, key, c, err)
	}
	if s.unconditional() || c.Size > s.threshold || s.options.ObjectLock != nil || s.options.SSE != nil {
		switch found, err := s.matches(ctx, key, c); {
		case err != nil:
			return err
		case !found:
			return fault.New(fault.SinkUnavailable, "the store accepted %s but does not have it", key)
		}
	}
	return s.probeConditional(ctx, key, c)
}

// checksFirst reports whether to check the key before writing: if the store may
// ignore the condition, or would evaluate it only after a large upload.
func (s *Sink) checksFirst(c sink.Content) bool {
	return s.unconditional() || s.conditional.Load() != supported || c.Size > s.threshold
}

func (s *Sink) write(ctx context.Context, key string, c sink.Content, parts []sum) error {
	if c.Size > s.threshold {
		return s.putParts(ctx, key, c, parts)
	}
	return s.putObject(ctx, key, c)
}

// putObject writes c in a single request.
func (s *Sink) putObject(ctx context.Context, key string, c sink.Content) error {
	in := &s3.PutObjectInput{
		Bucket: &s.options.Bucket, Key: s.key(key), Body: c.Reader(), ContentLength: &c.Size,
		ChecksumSHA256: s.checksum(sum(c.SHA256)),
		IfNoneMatch:    s.condition(),
		Metadata:       bucket.Metadata(c),
		ContentType:    bucket.Optional(c.About.Type), ContentDisposition: bucket.Disposition(c.About.Name),
	}
	var err error
	if in.ContentMD5, err = s.contentMD5(c.Reader()); err != nil {
		return err
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = s.encryption()
	in.ObjectLockMode, in.ObjectLockRetainUntilDate = s.retention()
	out, err := s.client.PutObject(ctx, in, sum(c.SHA256).signed)
	if err != nil {
		return err
	}
	return accepted(out.ETag, out.ChecksumSHA256, in.ChecksumSHA256)
}

// accepted checks that it is the store that has accepted a write: anybody in
// between can answer with status 200, and only the store with an ETag. A sum that
// it returns must be that of what was sent.
func accepted(etag, is, want *string) error {
	switch {
	case foreign(etag):
		return bucket.ErrForeign
	case is != nil && want != nil && *is != *want:
		return fault.New(fault.Damaged, "the store has the SHA-256 %.64q, not %s", *is, *want)
	}
	return nil
}

// checksum returns the value of the checksum header, which the store compares with
// the content and keeps. A store that rejects it compares the signed sum alone.
func (s *Sink) checksum(h sum) *string {
	if s.withoutSums.Load() {
		return nil
	}
	return h.base64()
}

// contentMD5 returns the value of Content-MD5 for a body that is to be locked and has
// no other checksum: S3 takes none without one of the two. Otherwise it is nil.
func (s *Sink) contentMD5(body io.Reader) (*string, error) {
	if s.options.ObjectLock == nil || !s.withoutSums.Load() {
		return nil, nil
	}
	h := md5.New()
	if _, err := io.Copy(h, body); err != nil {
		return nil, err
	}
	return aws.String(base64.StdEncoding.EncodeToString(h.Sum(nil))), nil
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

// writeFailed returns the result of a Put whose write failed with err. It may
// have succeeded nevertheless.
func (s *Sink) writeFailed(ctx context.Context, key string, c sink.Content, err error) error {
	e := parseError(err)
	err = classify(ctx, err, "putting "+key)
	switch {
	case sink.Ended(ctx) != nil || s.unconditional() && e.status != 0:
		return err
	case e.exists():
		s.conditional.CompareAndSwap(unknown, supported)
		found, merr := s.matches(ctx, key, c)
		if !found && merr == nil { // that writer may yet fail
			return s.refused(ctx, key)
		}
		return merr
	case e.rejected() && s.conditional.Load() == unknown && s.rejectsCondition(ctx):
		s.conditional.Store(rejected)
		return errNotConditional("rejects")
	case e.rejected() && (s.options.ObjectLock != nil || s.options.SSE != nil):
		return fault.New(fault.SinkDenied, "%w", err).WithHint("check that the bucket supports the configured object_lock and sse")
	case e.status != 0:
		return err
	}
	// There was no response. It may have been lost, or the store may have reset
	// the connection while the body was sent because the condition failed.
	if found, merr := s.matches(ctx, key, c); found || fault.Of(merr) == fault.Conflict {
		return merr
	}
	return err
}

// writeWithoutSums repeats a write that the store rejected with err, without its
// checksum headers. If that is accepted, they were the reason, and are left out from
// then on; if it is rejected too, it was another one.
func (s *Sink) writeWithoutSums(ctx context.Context, key string, c sink.Content, parts []sum, err error) error {
	again := s.changed(func(o *Sink) { o.withoutSums.Store(true) }).write(ctx, key, c, parts)
	switch e := parseError(again); {
	case again == nil, e.exists():
		s.withoutSums.Store(true)
	case e.rejected():
		return err
	}
	return again
}

// rejectsCondition reports whether the store rejects the probe object with the
// condition of writes, and accepts it without.
func (s *Sink) rejectsCondition(ctx context.Context) bool {
	if !parseError(s.putProbe(ctx, func(*Sink) {})).rejected() {
		return false
	}
	err := s.putProbe(ctx, func(o *Sink) { o.options.ConditionalWrites = conditionalOff })
	return err == nil || parseError(err).exists()
}

// putProbe writes the probe object with something about writes changed. Put would
// find it there and send nothing.
func (s *Sink) putProbe(ctx context.Context, change func(*Sink)) error {
	return s.changed(change).putObject(ctx, sink.ProbeKey(s.probeTerms()), sink.Probe())
}

// changed returns a sink that differs in something about writes.
func (s *Sink) changed(change func(*Sink)) *Sink {
	other := &Sink{options: s.options, client: s.client, prefix: s.prefix, threshold: s.threshold, part: s.part}
	other.withoutSums.Store(s.withoutSums.Load())
	change(other)
	return other
}

// The states of Sink.conditional.
const (
	unknown int32 = iota
	supported
	ignored
	rejected
)

// unconditional reports whether conditional writes are turned off.
func (s *Sink) unconditional() bool { return s.Weaker() != "" }

// Weaker implements [sink.Weakener].
func (s *Sink) Weaker() string { return s.options.Weaker() }

// condition returns the value of If-None-Match: the key must not exist.
func (s *Sink) condition() *string {
	if s.unconditional() {
		return nil
	}
	return aws.String("*")
}

// maxProbe is the size of the largest object that is sent twice for
// probeConditional, in bytes.
const maxProbe = 1 << 20

// probeConditional finds out whether the store supports conditional writes, by
// repeating the write of the first small object, which must fail. If it does
// not, the store ignores the condition and would let objects be replaced; here
// it replaced one with itself. Until the answer is known, Put checks the key
// before it writes.
func (s *Sink) probeConditional(ctx context.Context, key string, c sink.Content) error {
	if s.unconditional() || s.conditional.Load() != unknown || c.Size > maxProbe {
		return nil
	}
	switch err := s.putObject(ctx, key, c); {
	case err == nil:
		s.conditional.Store(ignored)
		return errNotConditional("ignores")
	case parseError(err).exists():
		s.conditional.CompareAndSwap(unknown, supported)
	}
	return nil // c is stored, and any other error says nothing about the condition
}

// partConcurrency is how many parts of an object are sent at once. Parts are
// streamed, so memory does not grow with their size.
const partConcurrency = 4

// partSize returns the configured size, or more if an object of that size would
// have too many parts.
func (s *Sink) partSize(size int64) int64 {
	return max(s.part, (size+maxParts-1)/maxParts)
}

// putParts writes c by a multipart upload; parts are the sums of its parts. The
// last request creates the object, subject to the condition.
func (s *Sink) putParts(ctx context.Context, key string, c sink.Content, parts []sum) error {
	in := &s3.CreateMultipartUploadInput{
		Bucket: &s.options.Bucket, Key: s.key(key),
		Metadata:    bucket.Metadata(c),
		ContentType: bucket.Optional(c.About.Type), ContentDisposition: bucket.Disposition(c.About.Name),
	}
	if !s.withoutSums.Load() {
		in.ChecksumAlgorithm = types.ChecksumAlgorithmSha256
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = s.encryption()
	in.ObjectLockMode, in.ObjectLockRetainUntilDate = s.retention()
	out, err := s.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return err
	}
	if aws.ToString(out.UploadId) == "" {
		return bucket.ErrForeign
	}
	done, err := s.sendParts(ctx, key, out.UploadId, c, parts)
	if err == nil {
		var completed *s3.CompleteMultipartUploadOutput
		completed, err = s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &s.options.Bucket, Key: s.key(key), UploadId: out.UploadId,
			IfNoneMatch:     s.condition(),
			MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
		})
		if err == nil {
			err = accepted(completed.ETag, nil, nil) // its sum is of the parts' sums
		}
	}
	if err != nil {
		s.abort(ctx, key, out.UploadId)
	}
	return err
}

func (s *Sink) sendParts(ctx context.Context, key string, upload *string, c sink.Content, parts []sum) ([]types.CompletedPart, error) {
	done := make([]types.CompletedPart, len(parts))
	size := s.partSize(c.Size)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(partConcurrency)
	for i, h := range parts {
		g.Go(func() error {
			off, number := int64(i)*size, aws.Int32(int32(i+1))
			n := min(size, c.Size-off)
			md5sum, err := s.contentMD5(io.NewSectionReader(c, off, n))
			if err != nil {
				return err
			}
			out, err := s.client.UploadPart(ctx, &s3.UploadPartInput{
				Bucket: &s.options.Bucket, Key: s.key(key), UploadId: upload, PartNumber: number,
				Body: io.NewSectionReader(c, off, n), ContentLength: &n, ChecksumSHA256: s.checksum(h), ContentMD5: md5sum,
			}, h.signed)
			if err == nil {
				err = accepted(out.ETag, out.ChecksumSHA256, h.base64())
			}
			if err == nil {
				done[i] = types.CompletedPart{PartNumber: number, ETag: out.ETag, ChecksumSHA256: s.checksum(h)}
			}
			return err
		})
	}
	return done, g.Wait()
}

// abort deletes the parts, even if ctx has ended. If that fails, they are left
// to the bucket's lifecycle rule for incomplete uploads.
func (s *Sink) abort(ctx context.Context, key string, upload *string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	_, _ = s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.options.Bucket, Key: s.key(key), UploadId: upload})
}
