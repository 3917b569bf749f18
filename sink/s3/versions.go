package s3

import (
	"context"
	"errors"
	"net/http"
	"strings"
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
	var found deletions
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
		found.add(page, s.prefix)
		if !*page.IsTruncated {
			return found.all, nil
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

// deletions collects them from pages of versions, in which the newest version of a
// key comes first.
type deletions struct {
	all   []sink.Deletion
	index map[string]int // by key
}

func (d *deletions) add(page *s3.ListObjectVersionsOutput, prefix string) {
	if d.index == nil {
		d.index = make(map[string]int)
	}
	for _, m := range page.DeleteMarkers {
		key, ours := strings.CutPrefix(aws.ToString(m.Key), prefix)
		if !aws.ToBool(m.IsLatest) || !ours || sink.CheckKey(key) != nil {
			continue
		}
		d.index[key] = len(d.all)
		d.all = append(d.all, sink.Deletion{Key: key, At: aws.ToTime(m.LastModified)})
	}
	for _, v := range page.Versions {
		key, _ := strings.CutPrefix(aws.ToString(v.Key), prefix)
		if i, ok := d.index[key]; ok && d.all[i].Version == "" {
			d.all[i].Version, d.all[i].Size = aws.ToString(v.VersionId), aws.ToInt64(v.Size)
		}
	}
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
