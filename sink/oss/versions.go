package oss

import (
	"context"
	"time"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"packseal.example/sink"
	"packseal.example/sink/bucket"
)

var _ sink.Historian = (*Sink)(nil)

// askAgain is how long a bucket whose versions we may not list is not asked again.
const askAgain = time.Hour

// Deletions implements [sink.Historian]: keys whose newest version is a delete
// marker. A bucket without versioning keeps none, and is not asked.
func (s *Sink) Deletions(ctx context.Context, prefix string) ([]sink.Deletion, error) {
	if until := s.unlisted.Load(); until != nil && time.Now().Before(*until) || !s.unconditional() || !sink.CanBegin(prefix) {
		return nil, nil
	}
	in := &alioss.ListObjectVersionsRequest{Bucket: &s.options.Bucket, Prefix: s.key(prefix), MaxKeys: 1000}
	found := bucket.NewDeletions(s.prefix)
	given := make(bucket.Pages)
	for {
		page, err := ask(ctx, s, func(ctx context.Context) (*alioss.ListObjectVersionsResult, error) {
			return s.api.listObjectVersions(ctx, in)
		})
		if err == nil && page.Name == nil {
			err = bucket.ErrForeign
		}
		if err == nil {
			where := alioss.ToString(page.NextKeyMarker)
			if where != "" {
				where += "\x00" + alioss.ToString(page.NextVersionIdMarker)
			}
			err = given.Next(page.IsTruncated, where)
		}
		switch e := parseError(err); {
		case err != nil && e.withheld():
			s.unlisted.Store(alioss.Ptr(time.Now().Add(askAgain)))
			return nil, nil
		case err != nil:
			return nil, classify(ctx, err, "listing versions")
		}
		for _, m := range page.ObjectDeleteMarkers {
			if m.IsLatest {
				found.Marker(alioss.ToString(m.Key), alioss.ToTime(m.LastModified))
			}
		}
		for _, v := range page.ObjectVersions {
			found.Version(alioss.ToString(v.Key), alioss.ToString(v.VersionId), v.Size, alioss.ToTime(v.LastModified))
		}
		if !page.IsTruncated {
			return found.All, nil
		}
		in.KeyMarker, in.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
	}
}
