package s3

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/bucket"
)

var _ sink.Historian = (*Sink)(nil)

// askAgain is how long a store that does not list versions, or does not let us, is
// not asked again.
const askAgain = time.Hour

// Deletions implements [sink.Historian]: keys whose newest version is a delete
// marker. A store that cannot be asked about versions shows none.
func (s *Sink) Deletions(ctx context.Context, prefix string) ([]sink.Deletion, error) {
	if until := s.unversioned.Load(); until != nil && time.Now().Before(*until) || !sink.CanBegin(prefix) {
		return nil, nil
	}
	in := &s3.ListObjectVersionsInput{Bucket: &s.options.Bucket, Prefix: s.key(prefix)}
	found := bucket.NewDeletions(s.prefix)
	given := make(bucket.Pages)
	for {
		page, err := s.client.ListObjectVersions(ctx, in)
		switch e := parseError(err); {
		case err != nil && e.status != 0 && !e.down() && e.status != http.StatusTooManyRequests:
			s.unversioned.Store(aws.Time(time.Now().Add(askAgain)))
			return nil, nil
		case err == nil:
			err = checkVersions(page, given)
		}
		if err != nil {
			return nil, classify(ctx, err, "listing versions")
		}
		for _, m := range page.DeleteMarkers {
			if aws.ToBool(m.IsLatest) {
				found.Marker(aws.ToString(m.Key), aws.ToTime(m.LastModified))
			}
		}
		for _, v := range page.Versions {
			found.Version(aws.ToString(v.Key), aws.ToString(v.VersionId), aws.ToInt64(v.Size), aws.ToTime(v.LastModified))
		}
		if !*page.IsTruncated {
			return found.All, nil
		}
		in.KeyMarker, in.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
	}
}

// checkVersions is checkPage for versions.
func checkVersions(page *s3.ListObjectVersionsOutput, given bucket.Pages) error {
	if page.IsTruncated == nil {
		return bucket.ErrForeign
	}
	where := ""
	if page.NextKeyMarker != nil {
		where = *page.NextKeyMarker + "\x00" + aws.ToString(page.NextVersionIdMarker)
	}
	return given.Next(*page.IsTruncated, where)
}

// deleted returns the error for a key that holds nothing because its object was
// deleted, and nil if that is not known. A store tells so with a read, also if it
// does not let us list versions.
func (s *Sink) deleted(ctx context.Context, key string) error {
	found, err := s.Deletions(ctx, key)
	if err != nil {
		return err
	}
	for _, d := range found {
		if d.Key == key {
			return d.Err()
		}
	}
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.options.Bucket, Key: s.key(key), Range: aws.String("bytes=0-0")})
	if err == nil { // it is there by now
		return out.Body.Close()
	}
	if r, ok := errors.AsType[*awshttp.ResponseError](err); ok && r.Response != nil && r.Response.Header.Get("X-Amz-Delete-Marker") == "true" {
		return sink.Deletion{Key: key}.Err()
	}
	return nil
}

// refused returns the error for a conditional write that was refused although the
// key holds nothing: another writer is about to store it, or it was deleted and
// the store, such as versitygw, counts the delete marker as an object.
func (s *Sink) refused(ctx context.Context, key string) error {
	if err := s.deleted(ctx, key); err != nil {
		return err
	}
	return fault.New(fault.SinkUnavailable, "another writer is storing %s, or it was deleted", key).
		WithHint("if it stays like this, allow ListBucketVersions, which tells whether it was deleted")
}
