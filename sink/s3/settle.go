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

// settle looks at key. It reports whether it holds c, whole and locked as
// configured; that it holds something else is fault.Conflict.
func (s *Sink) settle(ctx context.Context, key string, c sink.Content) (found bool, err error) {
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.options.Bucket, Key: s.key(key)})
	if err != nil {
		if answerOf(err).missing() {
			return false, nil
		}
		return false, classify(ctx, err, "looking at "+key)
	}
	same := aws.ToInt64(head.ContentLength) == c.Size
	if h, ok := head.Metadata[metadataSum]; same && ok {
		same = h == sum(c.SHA256).hex()
	} else if same {
		if same, err = s.compare(ctx, key, c); err != nil {
			return false, err
		}
	}
	if !same {
		return false, fault.New(fault.Conflict, "%s holds other bytes", key)
	}
	if err := s.locked(ctx, key, head); err != nil {
		return false, err
	}
	return true, nil
}

// compare reads the object, which somebody else put there, for it does not
// say what it holds.
func (s *Sink) compare(ctx context.Context, key string, c sink.Content) (bool, error) {
	r, err := s.Open(ctx, key)
	if err != nil {
		return false, err
	}
	defer func() { _ = r.Close() }()
	h := newSums(max(c.Size, 1))
	if _, err := io.Copy(h, r); err != nil {
		return false, err
	}
	got := h.all()
	return len(got) == 0 && c.Size == 0 || len(got) == 1 && got[0] == sum(c.SHA256), nil
}

// slack is how far the store's clock may be from ours: signed requests bear
// no more either.
const slack = 15 * time.Minute

// locked checks that the object is retained for as long as configured from
// when it was stored: a store that knows no Object Lock ignores the headers.
func (s *Sink) locked(ctx context.Context, key string, head *s3.HeadObjectOutput) error {
	want := s.options.ObjectLock
	if want == nil {
		return nil
	}
	mode, until := head.ObjectLockMode, aws.ToTime(head.ObjectLockRetainUntilDate)
	if mode == "" {
		// Some stores tell it only to who asks for it.
		out, err := s.client.GetObjectRetention(ctx, &s3.GetObjectRetentionInput{Bucket: &s.options.Bucket, Key: s.key(key), VersionId: head.VersionId})
		switch {
		case err != nil && answerOf(err).status == 0, err != nil && answerOf(err).status >= 500 && answerOf(err).status != 501:
			return classify(ctx, err, "reading back the lock of "+key)
		case err == nil && out.Retention != nil:
			mode, until = types.ObjectLockMode(out.Retention.Mode), aws.ToTime(out.Retention.RetainUntilDate)
		}
	}
	enough := !until.Before(aws.ToTime(head.LastModified).AddDate(0, 0, want.Days).Add(-slack))
	if enough && (mode == types.ObjectLockMode(want.Mode) || mode == types.ObjectLockModeCompliance) {
		return nil
	}
	return fault.New(fault.SinkDenied, "%s is not locked for %d days in mode %s", key, want.Days, want.Mode).
		WithHint("the bucket needs Object Lock, which is set when it is made; a store without it ignores object_lock: leave that out, or use another")
}
