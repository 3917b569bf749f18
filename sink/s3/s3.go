// Package s3 keeps evidence in a bucket of S3-compatible storage.
//
// Objects are written with If-None-Match: *, so that the store itself keeps
// them from being replaced, and carry their SHA-256 as metadata.
package s3

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/bucket"
)

// Sink is a bucket as a [sink.Sink].
type Sink struct {
	options   Options
	client    *s3.Client
	prefix    string // with its slash, or empty
	threshold int64  // bytes; larger objects are written in parts
	part      int64  // bytes

	conditional atomic.Int32 // whether the store supports conditional writes: unknown, supported, ignored or rejected
	withoutSums atomic.Bool  // the store rejects the headers of checksums

	unversioned atomic.Pointer[time.Time] // until when the store is not asked for versions; nil = it never refused
}

// key returns the key in the bucket.
func (s *Sink) key(key string) *string { return aws.String(s.prefix + key) }

// Open implements [sink.Sink].
func (s *Sink) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	return s.open(ctx, key, nil)
}

// open opens a version of an object; nil = the newest.
func (s *Sink) open(ctx context.Context, key string, version *string) (io.ReadCloser, error) {
	if err := sink.CheckKey(key); err != nil {
		return nil, err
	}
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.options.Bucket, Key: s.key(key), VersionId: version})
	if err != nil {
		if parseError(err).notFound() {
			return nil, sink.NotExist(key)
		}
		return nil, classify(ctx, err, "opening "+key)
	}
	if foreign(out.ETag) {
		return nil, classify(ctx, errors.Join(bucket.ErrForeign, out.Body.Close()), "opening "+key)
	}
	return sink.Body{ReadCloser: out.Body, Classify: func(err error) error { return classify(ctx, err, "reading "+key) }}, nil
}

// List implements [sink.Sink]. It holds one page of at most 1,000 objects at a
// time.
func (s *Sink) List(ctx context.Context, prefix, after string) iter.Seq2[sink.Entry, error] {
	return s.ListPages(ctx, prefix, after, 0)
}

// ListPages implements [bucket.Lister].
func (s *Sink) ListPages(ctx context.Context, prefix, after string, page int32) iter.Seq2[sink.Entry, error] {
	return func(yield func(sink.Entry, error) bool) {
		if !sink.CanBegin(prefix) {
			return
		}
		in := &s3.ListObjectsV2Input{Bucket: &s.options.Bucket, Prefix: s.key(prefix)}
		if page > 0 {
			in.MaxKeys = &page
		}
		if after != "" && sink.CanBegin(after) { // stores reject some other strings
			in.StartAfter = s.key(after)
		}
		given := make(bucket.Pages)
		for {
			page, err := s.client.ListObjectsV2(ctx, in)
			if err == nil {
				err = checkPage(page, given)
			}
			if err != nil {
				yield(sink.Entry{}, classify(ctx, err, "listing"))
				return
			}
			for _, o := range page.Contents {
				key, ok := strings.CutPrefix(aws.ToString(o.Key), s.prefix)
				// Skip objects that are not ours, such as folder markers; and
				// some stores ignore start-after.
				if !ok || key <= after || sink.CheckKey(key) != nil {
					continue
				}
				if !yield(sink.Entry{Key: key, Size: aws.ToInt64(o.Size), ModTime: aws.ToTime(o.LastModified)}, nil) {
					return
				}
			}
			if !*page.IsTruncated {
				return
			}
			in.ContinuationToken = page.NextContinuationToken
		}
	}
}

// checkPage checks that a page is one of a listing and says whether and how it
// goes on: the SDK takes any response with status 200 for a page.
func checkPage(page *s3.ListObjectsV2Output, given bucket.Pages) error {
	if page.IsTruncated == nil {
		return bucket.ErrForeign
	}
	return given.Next(*page.IsTruncated, aws.ToString(page.NextContinuationToken))
}

// matches reports whether key holds c, complete and retained as configured. If
// key holds other content, the error is fault.Conflict.
func (s *Sink) matches(ctx context.Context, key string, c sink.Content) (bool, error) {
	head, err := s.head(ctx, key)
	if err != nil {
		if parseError(err).notFound() {
			return false, nil
		}
		return false, classify(ctx, err, "checking "+key)
	}
	if foreign(head.ETag) {
		return false, classify(ctx, bucket.ErrForeign, "checking "+key)
	}
	// Some stores and proxies do not tell the size.
	same := head.ContentLength == nil || *head.ContentLength == c.Size
	if h, ok := head.Metadata[bucket.MetadataSum]; same && ok {
		same = h == sum(c.SHA256).hex()
	} else if same {
		if same, err = bucket.Matches(ctx, s, key, c); err != nil {
			return false, err
		}
	}
	if !same {
		return false, fault.New(fault.Conflict, "%s holds other content", key)
	}
	if err := errors.Join(s.checkRetention(ctx, key, head), s.checkEncryption(key, head)); err != nil {
		return false, err
	}
	return true, nil
}

// checkEncryption checks that the object is encrypted as configured: some stores
// accept the header and do nothing.
func (s *Sink) checkEncryption(key string, head *s3.HeadObjectOutput) error {
	want := s.options.SSE
	if want == nil || head.ServerSideEncryption == types.ServerSideEncryption(want.Type) {
		return nil
	}
	return fault.New(fault.SinkDenied, "%s is not encrypted with %s", key, want.Type).
		WithHint("the store ignores sse: use another, encrypt the store's disks and remove sse, or move away what was written without it")
}

// head asks what the store knows of an object. A refusal of HEAD has no body, and
// so does not say why: the object is then asked for, of which the refusal has one.
func (s *Sink) head(ctx context.Context, key string) (*s3.HeadObjectOutput, error) {
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.options.Bucket, Key: s.key(key)})
	if e := parseError(err); err == nil || e.down() || e.notFound() {
		return head, err
	}
	out, again := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.options.Bucket, Key: s.key(key), Range: aws.String("bytes=0-0")})
	if again == nil {
		return nil, errors.Join(err, out.Body.Close())
	}
	if parseError(again).code != "" {
		err = again
	}
	return nil, err
}
