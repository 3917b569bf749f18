package oss

import (
	"context"
	"net/http"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/bucket"
)

var _ sink.Deleter = (*Sink)(nil)

// DeleteObject implements [sink.Deleter]. OSS refuses it as long as the version that is
// read is locked.
func (s *Sink) DeleteObject(ctx context.Context, key string) error {
	if err := sink.CheckKey(key); err != nil {
		return err
	}
	return bucket.RemoveVersions(key, func() (more bool, err error) {
		head, err := s.head(ctx, key)
		if parseError(err).notFound() {
			return false, nil
		}
		if err != nil {
			return false, classify(ctx, err, "removing "+key)
		}
		_, err = ask(ctx, s, func(ctx context.Context) (*alioss.DeleteObjectResult, error) {
			return s.api.deleteObject(ctx, &alioss.DeleteObjectRequest{Bucket: &s.options.Bucket, Key: s.key(key), VersionId: head.VersionId})
		})
		switch e := parseError(err); {
		case err != nil && e.status == http.StatusConflict && e.code == "FileImmutable":
			return false, fault.New(fault.SinkDenied, "%s was not removed: OSS keeps it locked (%s)", key, e)
		case err != nil && e.denied():
			return false, fault.New(fault.SinkDenied, "removing %s: OSS answered %s", key, e).
				WithHint("removing needs oss:DeleteObject, and of a bucket with versioning oss:DeleteObjectVersion (docs/retention.md)")
		case err != nil:
			return false, classify(ctx, err, "removing "+key)
		}
		return alioss.ToString(head.VersionId) != "", nil
	})
}
