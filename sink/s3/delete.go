package s3

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/bucket"
)

var _ sink.Deleter = (*Sink)(nil)

// DeleteObject implements [sink.Deleter]. The store refuses it as long as the version
// that is read is locked. A lock in mode GOVERNANCE is not bypassed.
func (s *Sink) DeleteObject(ctx context.Context, key string) error {
	if err := sink.CheckKey(key); err != nil {
		return err
	}
	return bucket.RemoveVersions(key, func() (more bool, err error) {
		head, err := s.head(ctx, key)
		if parseError(err).notFound() {
			return false, nil
		}
		if err == nil && foreign(head.ETag) {
			err = bucket.ErrForeign
		}
		if err != nil {
			return false, classify(ctx, err, "removing "+key)
		}
		if _, err = s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.options.Bucket, Key: s.key(key), VersionId: head.VersionId}); err != nil {
			return false, s.deleteRefused(ctx, key, err)
		}
		return aws.ToString(head.VersionId) != "", nil
	})
}

// deleteRefused classifies the failure of a removal. Stores say in several ways that
// an object is locked: AWS S3 and versitygw with 403, MinIO with 400.
func (s *Sink) deleteRefused(ctx context.Context, key string, err error) error {
	if lock, lerr := s.Lock(ctx, key); lerr == nil && lock != (sink.Lock{}) && parseError(err).status/100 == 4 {
		return fault.New(fault.SinkDenied, "%s was not removed: it is %s", key, lock)
	}
	classified := classify(ctx, err, "removing "+key)
	if fault.Of(classified) == fault.SinkDenied {
		return fault.New(fault.SinkDenied, "%w", classified).
			WithHint("removing needs s3:DeleteObject, and of a bucket with versioning s3:DeleteObjectVersion (docs/retention.md)")
	}
	return classified
}
