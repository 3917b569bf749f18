package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/bucket"
)

var (
	_ sink.Historian = (*Sink)(nil)
	_ sink.Versioner = (*Sink)(nil)
)

// askAgain is how long a store that does not list versions, or does not let us, is
// not asked again.
const askAgain = time.Hour

// Deletions implements [sink.Historian]: keys whose newest version is a delete
// marker. A store that cannot be asked about versions shows none.
func (s *Sink) Deletions(ctx context.Context, prefix string) ([]sink.Deletion, error) {
	found := bucket.NewDeletions(s.prefix)
	err := s.versions(ctx, prefix, func(page *s3.ListObjectVersionsOutput) bool {
		for _, m := range page.DeleteMarkers {
			if aws.ToBool(m.IsLatest) {
				found.Marker(aws.ToString(m.Key), aws.ToTime(m.LastModified))
			}
		}
		for _, v := range page.Versions {
			found.Version(aws.ToString(v.Key), aws.ToString(v.VersionId), aws.ToInt64(v.Size), aws.ToTime(v.LastModified))
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return found.All, nil
}

// versions calls a function with pages of versions until it returns false. Of a store that
// cannot be asked about versions there is none.
func (s *Sink) versions(ctx context.Context, prefix string, take func(*s3.ListObjectVersionsOutput) bool) error {
	if until := s.unversioned.Load(); until != nil && time.Now().Before(*until) || !sink.CanBegin(prefix) {
		return nil
	}
	in := &s3.ListObjectVersionsInput{Bucket: &s.options.Bucket, Prefix: s.key(prefix)}
	given := make(bucket.Pages)
	for {
		page, err := s.client.ListObjectVersions(ctx, in)
		switch e := parseError(err); {
		case err != nil && e.status != 0 && !e.down() && e.status != http.StatusTooManyRequests:
			s.unversioned.Store(aws.Time(time.Now().Add(askAgain)))
			return nil
		case err == nil:
			err = checkVersions(page, given)
		}
		if err != nil {
			return classify(ctx, err, "listing versions")
		}
		if !take(page) || !*page.IsTruncated {
			return nil
		}
		in.KeyMarker, in.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
	}
}

// Versions implements [sink.Versioner].
func (s *Sink) Versions(ctx context.Context, key string, most int) (versions []string, err error) {
	err = s.versions(ctx, key, func(page *s3.ListObjectVersionsOutput) bool {
		last := ""
		for _, v := range page.Versions {
			if last = aws.ToString(v.Key); last == s.prefix+key && len(versions) < most {
				versions = append(versions, aws.ToString(v.VersionId))
			}
		}
		return last <= s.prefix+key && len(versions) < most // the key itself comes before those that begin with it
	})
	return versions, err
}

// OpenVersion implements [sink.Versioner].
func (s *Sink) OpenVersion(ctx context.Context, key, version string) (io.ReadCloser, error) {
	return s.open(ctx, key, &version)
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
