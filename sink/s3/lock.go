package s3

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/bucket"
)

var _ sink.Locker = (*Sink)(nil)

// LockTerms implements [sink.Locker].
func (s *Sink) LockTerms() sink.LockTerms { return s.options.LockTerms() }

// LockTerms returns the lock that is configured.
func (o *Options) LockTerms() sink.LockTerms {
	if lock := o.ObjectLock; lock != nil {
		return sink.LockTerms{Mode: lock.Mode, Days: lock.Days, Extend: lock.Extend}
	}
	return sink.LockTerms{}
}

// Lock implements [sink.Locker]. What may not be read is unknown, and an error only
// where object_lock is configured: the store itself keeps what is locked.
func (s *Sink) Lock(ctx context.Context, key string) (sink.Lock, error) {
	if err := sink.CheckKey(key); err != nil {
		return sink.Lock{}, err
	}
	head, err := s.head(ctx, key)
	switch {
	case parseError(err).notFound():
		return sink.Lock{}, sink.NotExist(key)
	case err == nil && foreign(head.ETag):
		err = bucket.ErrForeign
	}
	if err != nil {
		return sink.Lock{}, classify(ctx, err, "reading the lock of "+key)
	}
	lock, err := s.retentionOf(ctx, key, head)
	if err != nil || lock.Hold {
		return lock, err
	}
	if head.ObjectLockLegalHoldStatus == "" { // as of the retention
		out, err := s.client.GetObjectLegalHold(ctx, &s3.GetObjectLegalHoldInput{Bucket: &s.options.Bucket, Key: s.key(key), VersionId: head.VersionId})
		switch e := parseError(err); {
		case err != nil && e.down():
			return lock, classify(ctx, err, "reading the legal hold of "+key)
		case err == nil && out.LegalHold != nil:
			lock.Hold = out.LegalHold.Status == types.ObjectLockLegalHoldStatusOn
		}
	}
	return lock, nil
}

// retentionOf returns the retention of an object that was asked for, and the legal
// hold if HEAD tells it.
func (s *Sink) retentionOf(ctx context.Context, key string, head *s3.HeadObjectOutput) (sink.Lock, error) {
	mode, until := string(head.ObjectLockMode), aws.ToTime(head.ObjectLockRetainUntilDate)
	if mode == "" {
		// Some stores do not return it with HEAD; AWS S3 and MinIO return it only to
		// who may read it alone.
		out, err := s.client.GetObjectRetention(ctx, &s3.GetObjectRetentionInput{Bucket: &s.options.Bucket, Key: s.key(key), VersionId: head.VersionId})
		switch {
		case err != nil && parseError(err).down():
			return sink.Lock{}, classify(ctx, err, "reading the retention of "+key)
		case err != nil && parseError(err).status == http.StatusForbidden && s.options.ObjectLock != nil:
			return sink.Lock{}, fault.New(fault.SinkDenied, "whether %s is locked cannot be read: the store refuses GetObjectRetention", key).
				WithHint("grant s3:GetObjectRetention (docs/storage.md); without it the lock of an object is not shown")
		case err == nil && out.Retention != nil:
			mode, until = string(out.Retention.Mode), aws.ToTime(out.Retention.RetainUntilDate)
		}
	}
	lock := sink.Lock{Mode: mode, Hold: head.ObjectLockLegalHoldStatus == types.ObjectLockLegalHoldStatusOn}
	if mode != "" {
		lock.Until = until.UTC().Truncate(time.Second)
	}
	return lock, nil
}

// checkRetention checks that the object is retained as configured from the time
// it was stored: a store without Object Lock ignores the headers.
func (s *Sink) checkRetention(ctx context.Context, key string, head *s3.HeadObjectOutput) error {
	terms := s.LockTerms()
	if terms.Days == 0 {
		return nil
	}
	lock, err := s.retentionOf(ctx, key, head)
	if err != nil {
		return err
	}
	if terms.Fault(lock, aws.ToTime(head.LastModified), bucket.ClockSkew) == "" {
		return nil
	}
	return fault.New(fault.SinkDenied, "%s is not locked for %d days in mode %s", key, terms.Days, terms.Mode).
		WithHint("Object Lock must be enabled when the bucket is created; a bucket or store without it ignores object_lock: use another, or remove object_lock")
}

// ExtendLock implements [sink.Locker]. It reads the lock back.
func (s *Sink) ExtendLock(ctx context.Context, key string, until time.Time) error {
	lock, err := s.Lock(ctx, key)
	until = until.UTC().Truncate(time.Second)
	if err != nil || lock.Mode != "" && !lock.Until.Before(until) {
		return err
	}
	mode := lock.Mode
	if mode == "" {
		mode = s.LockTerms().Mode
	}
	_, err = s.client.PutObjectRetention(ctx, &s3.PutObjectRetentionInput{
		Bucket: &s.options.Bucket, Key: s.key(key),
		Retention: &types.ObjectLockRetention{Mode: types.ObjectLockRetentionMode(mode), RetainUntilDate: &until},
	})
	if err != nil {
		err = classify(ctx, err, "extending the lock of "+key)
		if fault.Of(err) == fault.SinkDenied {
			err = fault.New(fault.SinkDenied, "%w", err).WithHint("grant s3:PutObjectRetention (docs/retention.md)")
		}
		return err
	}
	if lock, err = s.Lock(ctx, key); err == nil && lock.Until.Before(until) {
		err = fault.New(fault.SinkDenied, "the lock of %s was extended to %s, and the store says that it ends at %s", key, until.Format(time.RFC3339), lock.Until.Format(time.RFC3339))
	}
	return err
}
