package s3

import (
	"context"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"packseal.example/sink"
)

// inFlight is how many parts of one object are sent at once. They are read
// as they are sent: memory does not grow with their size.
const inFlight = 4

// partSize is the configured size, or more where an object would have too
// many parts.
func (s *Sink) partSize(size int64) int64 {
	return max(s.part, (size+maxParts-1)/maxParts)
}

// putParts writes c in parts, of which parts are the sums. The object comes
// to be, whole and on the condition, with the last request.
func (s *Sink) putParts(ctx context.Context, key string, c sink.Content, parts []sum) error {
	in := &s3.CreateMultipartUploadInput{
		Bucket: &s.options.Bucket, Key: s.key(key),
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
		Metadata:          map[string]string{metadataSum: sum(c.SHA256).hex()},
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = s.encryption()
	in.ObjectLockMode, in.ObjectLockRetainUntilDate = s.retention()
	out, err := s.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return err
	}
	done, err := s.sendParts(ctx, key, out.UploadId, c, parts)
	if err == nil {
		_, err = s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &s.options.Bucket, Key: s.key(key), UploadId: out.UploadId,
			IfNoneMatch:     s.condition(),
			MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
		})
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
	g.SetLimit(inFlight)
	for i, h := range parts {
		g.Go(func() error {
			off, number := int64(i)*size, aws.Int32(int32(i+1))
			n := min(size, c.Size-off)
			out, err := s.client.UploadPart(ctx, &s3.UploadPartInput{
				Bucket: &s.options.Bucket, Key: s.key(key), UploadId: upload, PartNumber: number,
				Body: io.NewSectionReader(c, off, n), ContentLength: &n, ChecksumSHA256: h.base64(),
			}, h.signed)
			if err == nil {
				done[i] = types.CompletedPart{PartNumber: number, ETag: out.ETag, ChecksumSHA256: h.base64()}
			}
			return err
		})
	}
	return done, g.Wait()
}

// abort gives the parts back, also when ctx has ended. Where that fails they
// are left to the bucket's rules for unfinished uploads.
func (s *Sink) abort(ctx context.Context, key string, upload *string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	_, _ = s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.options.Bucket, Key: s.key(key), UploadId: upload})
}
