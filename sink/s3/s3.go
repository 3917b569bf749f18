package s3

import (
	"context"
	"io"
	"iter"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Sink is a bucket as a [sink.Sink].
type Sink struct {
	options   Options
	client    *s3.Client
	prefix    string // with its slash, or empty
	threshold int64
	part      int64

	honours atomic.Int32 // whether the store keeps the condition: unknown, yes or no
}

// Open implements [sink.Sink].
func (s *Sink) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := sink.CheckKey(key); err != nil {
		return nil, err
	}
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.options.Bucket, Key: s.key(key)})
	if err != nil {
		if answerOf(err).missing() {
			return nil, sink.NotExist(key)
		}
		return nil, classify(ctx, err, "opening "+key)
	}
	return sink.Body{ReadCloser: out.Body, Classify: func(err error) error { return classify(ctx, err, "reading "+key) }}, nil
}

// List implements [sink.Sink]. It holds one answer of the store, of at most
// 1,000 objects, at a time.
func (s *Sink) List(ctx context.Context, prefix, after string) iter.Seq2[sink.Entry, error] {
	return func(yield func(sink.Entry, error) bool) {
		if !sink.CanBegin(prefix) {
			return
		}
		in := &s3.ListObjectsV2Input{Bucket: &s.options.Bucket, Prefix: s.key(prefix)}
		if after != "" && sink.CanBegin(after) { // stores refuse some of the strings that no key begins with
			in.StartAfter = s.key(after)
		}
		pages := s3.NewListObjectsV2Paginator(s.client, in,
			func(o *s3.ListObjectsV2PaginatorOptions) { o.StopOnDuplicateToken = true })
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err == nil && len(page.Contents) == 0 && page.Name == nil && page.KeyCount == nil && page.IsTruncated == nil {
				// The SDK takes whatever comes with status 200 for a page, and
				// nothing must not pass for an empty bucket.
				err = fault.New(fault.SinkUnavailable, "listing: the answer is no listing").WithHint("%s", foreign)
			} else {
				err = classify(ctx, err, "listing")
			}
			if err != nil {
				yield(sink.Entry{}, err)
				return
			}
			for _, o := range page.Contents {
				key, ours := strings.CutPrefix(aws.ToString(o.Key), s.prefix)
				// Others' objects, such as those that stand for folders, are not
				// ours; and not every store knows start-after.
				if !ours || key <= after || sink.CheckKey(key) != nil {
					continue
				}
				if !yield(sink.Entry{Key: key, Size: aws.ToInt64(o.Size), ModTime: aws.ToTime(o.LastModified)}, nil) {
					return
				}
			}
		}
	}
}

// key is the bucket's key for ours.
func (s *Sink) key(key string) *string { return aws.String(s.prefix + key) }
