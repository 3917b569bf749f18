package oss

import (
	"context"
	"io"
	"time"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"golang.org/x/sync/errgroup"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/bucket"
)

// partConcurrency is how many parts of an object are sent at once. Parts are
// streamed, so memory does not grow with their size.
const partConcurrency = 4

// partSize returns the size of the parts of an object: of all of it, if it is written
// in one request; or else what is configured, or more if there would be too many.
func (s *Sink) partSize(size int64) int64 {
	if size <= s.threshold {
		return max(size, 1)
	}
	return max(s.part, (size+maxParts-1)/maxParts)
}

// putParts writes c by a multipart upload; parts are the sums of its parts. Both the
// first and the last request fail if the key exists.
func (s *Sink) putParts(ctx context.Context, key string, c sink.Content, parts []partSum) (w written, err error) {
	begun, err := ask(ctx, s, func(ctx context.Context) (*alioss.InitiateMultipartUploadResult, error) {
		in := &alioss.InitiateMultipartUploadRequest{
			Bucket: &s.options.Bucket, Key: s.key(key), ForbidOverwrite: s.condition(), Metadata: bucket.Metadata(c),
			ContentType: bucket.Optional(c.About.Type), ContentDisposition: bucket.Disposition(c.About.Name),
		}
		in.ServerSideEncryption, in.ServerSideEncryptionKeyId = s.encryption()
		return s.api.initiateMultipartUpload(ctx, in)
	})
	if err != nil {
		return w, err
	}
	upload := begun.UploadId
	if alioss.ToString(upload) == "" {
		return w, bucket.ErrForeign
	}
	sent, err := s.sendParts(ctx, key, upload, c, parts)
	if err == nil {
		w, err = s.complete(ctx, key, upload, sent)
	}
	if err != nil {
		s.abort(ctx, key, upload)
	}
	return w, err
}

func (s *Sink) sendParts(ctx context.Context, key string, upload *string, c sink.Content, parts []partSum) ([]alioss.UploadPart, error) {
	sent := make([]alioss.UploadPart, len(parts))
	size := s.partSize(c.Size)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(partConcurrency)
	for i, p := range parts {
		g.Go(func() error {
			off := int64(i) * size
			n := min(size, c.Size-off)
			out, err := ask(ctx, s, func(ctx context.Context) (*alioss.UploadPartResult, error) {
				return s.api.uploadPart(ctx, &alioss.UploadPartRequest{
					Bucket: &s.options.Bucket, Key: s.key(key), UploadId: upload, PartNumber: int32(i + 1),
					Body: io.NewSectionReader(c, off, n), ContentLength: &n, ContentMD5: &p.md5,
				})
			})
			if err != nil {
				return err
			}
			if held := alioss.ToString(out.HashCRC64); held != "" && held != decimal(p.crc) {
				return fault.New(fault.Damaged, "OSS has part %d with the CRC-64 %.20q, not %d", i+1, held, p.crc)
			}
			sent[i] = alioss.UploadPart{PartNumber: int32(i + 1), ETag: out.ETag}
			return nil
		})
	}
	return sent, g.Wait()
}

func (s *Sink) complete(ctx context.Context, key string, upload *string, sent []alioss.UploadPart) (w written, err error) {
	out, err := ask(ctx, s, func(ctx context.Context) (*alioss.CompleteMultipartUploadResult, error) {
		return s.api.completeMultipartUpload(ctx, &alioss.CompleteMultipartUploadRequest{
			Bucket: &s.options.Bucket, Key: s.key(key), UploadId: upload, ForbidOverwrite: s.condition(),
			CompleteMultipartUpload: &alioss.CompleteMultipartUpload{Parts: sent},
		})
	})
	if err != nil {
		return w, err
	}
	return written{alioss.ToString(out.HashCRC64), alioss.ToString(out.VersionId)}, nil
}

// abort deletes the parts, even if ctx has ended. If that fails, they are left to
// the bucket's lifecycle rule for incomplete uploads.
func (s *Sink) abort(ctx context.Context, key string, upload *string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	_, _ = s.api.abortMultipartUpload(ctx, &alioss.AbortMultipartUploadRequest{Bucket: &s.options.Bucket, Key: s.key(key), UploadId: upload})
}
