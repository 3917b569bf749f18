package oss

import (
	"context"
	"net/http"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

var _ sink.Deleter = (*Sink)(nil)

// maxVersions bounds how many versions of one key are removed: packseal writes one.
const maxVersions = 100

// DeleteObject implements [sink.Deleter]. Of a bucket with versioning it removes the
// version that is read, by its ID, until the key holds nothing: that leaves no delete
// marker, and OSS refuses it as long as the version is locked.
func (s *Sink) DeleteObject(ctx context.Context, key string) error {
	if err := sink.CheckKey(key); err != nil {
		return err
	}
	for range maxVersions {
		head, err := s.head(ctx, key)
		if parseError(err).notFound() {
			return nil
		}
		if err != nil {
			return classify(ctx, err, "removing "+key)
		}
		_, err = ask(ctx, s, func(ctx context.Context) (*alioss.DeleteObjectResult, error) {
			return s.api.deleteObject(ctx, &alioss.DeleteObjectRequest{Bucket: &s.options.Bucket, Key: s.key(key), VersionId: head.VersionId})
		})
		switch e := parseError(err); {
		case err != nil && e.status == http.StatusConflict && e.code == "FileImmutable":
			return fault.New(fault.SinkDenied, "%s was not removed: OSS keeps it locked (%s)", key, e)
		case err != nil && e.denied():
			return fault.New(fault.SinkDenied, "removing %s: OSS answered %s", key, e).
				WithHint("removing needs oss:DeleteObject, and of a bucket with versioning oss:DeleteObjectVersion (docs/retention.md)")
		case err != nil:
			return classify(ctx, err, "removing "+key)
		case alioss.ToString(head.VersionId) == "":
			return nil
		}
	}
	return fault.New(fault.SinkDenied, "%s has more than %d versions, which packseal did not write", key, maxVersions).
		WithHint("see what writes there, and remove them by hand")
}
