// Package oss keeps evidence in a bucket of Alibaba Cloud OSS, by OSS's own protocol.
//
// Objects are written with x-oss-forbid-overwrite, which keeps them from being
// replaced in a bucket that never had versioning; OSS ignores it in others, so the
// first writes make sure. They carry their SHA-256 as metadata, and what OSS says of
// their CRC-64 is compared.
package oss

import (
	"context"
	"errors"
	"io"
	"iter"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"packseal.example/internal/fault"
	"packseal.example/internal/ram"
	"packseal.example/sink"
	"packseal.example/sink/bucket"
)

// Sink is a bucket as a [sink.Sink].
type Sink struct {
	options   Options
	api       api
	keys      ram.Provider
	prefix    string // with its slash, or empty
	threshold int64  // bytes; larger objects are written in parts
	part      int64  // bytes

	checking  chan struct{} // holds a value while one Put checks the bucket
	checked   atomic.Bool   // it has the retention policy that is configured, and no versioning
	versioned atomic.Bool   // it was seen to make a version
	enforced  atomic.Bool   // it was seen to keep an object from being replaced
	ignored   atomic.Bool   // it was seen to replace one

	wormSeen atomic.Pointer[seenPolicy]
	unlisted atomic.Pointer[time.Time] // until when versions are not asked for; nil = they never were refused
}

// key returns the key in the bucket.
func (s *Sink) key(key string) *string { return alioss.Ptr(s.prefix + key) }

// Open implements [sink.Sink].
func (s *Sink) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := sink.CheckKey(key); err != nil {
		return nil, err
	}
	out, err := s.get(ctx, key, nil)
	if err != nil {
		if parseError(err).notFound() {
			return nil, sink.NotExist(key)
		}
		return nil, classify(ctx, err, "opening "+key)
	}
	return sink.Body{ReadCloser: out.Body, Classify: func(err error) error { return classify(ctx, err, "reading "+key) }}, nil
}

func (s *Sink) get(ctx context.Context, key string, span *string) (*alioss.GetObjectResult, error) {
	return ask(ctx, s, func(ctx context.Context) (*alioss.GetObjectResult, error) {
		return s.api.getObject(ctx, &alioss.GetObjectRequest{Bucket: &s.options.Bucket, Key: s.key(key), Range: span})
	})
}

// List implements [sink.Sink]. It holds one page of at most 1,000 objects at a
// time.
func (s *Sink) List(ctx context.Context, prefix, after string) iter.Seq2[sink.Entry, error] {
	return s.ListPages(ctx, prefix, after, 1000) // OSS's own default is 100
}

// ListPages implements [bucket.Lister].
func (s *Sink) ListPages(ctx context.Context, prefix, after string, page int32) iter.Seq2[sink.Entry, error] {
	return func(yield func(sink.Entry, error) bool) {
		if !sink.CanBegin(prefix) {
			return
		}
		in := &alioss.ListObjectsV2Request{Bucket: &s.options.Bucket, Prefix: s.key(prefix), MaxKeys: page}
		if after != "" && sink.CanBegin(after) {
			in.StartAfter = s.key(after)
		}
		given := make(bucket.Pages)
		for {
			page, err := ask(ctx, s, func(ctx context.Context) (*alioss.ListObjectsV2Result, error) { return s.api.listObjectsV2(ctx, in) })
			if err == nil && page.Name == nil {
				err = bucket.ErrForeign
			}
			if err == nil {
				err = given.Next(page.IsTruncated, alioss.ToString(page.NextContinuationToken))
			}
			if err != nil {
				yield(sink.Entry{}, classify(ctx, err, "listing"))
				return
			}
			for _, o := range page.Contents {
				key, ok := strings.CutPrefix(alioss.ToString(o.Key), s.prefix)
				if !ok || key <= after || sink.CheckKey(key) != nil { // not ours, such as a folder marker
					continue
				}
				if !yield(sink.Entry{Key: key, Size: o.Size, ModTime: alioss.ToTime(o.LastModified)}, nil) {
					return
				}
			}
			if !page.IsTruncated {
				return
			}
			in.ContinuationToken = page.NextContinuationToken
		}
	}
}

// matches reports whether key holds c, complete, encrypted and locked as configured.
// If key holds other content, the error is fault.Conflict. Bytes that OSS damaged
// are other content, whatever the metadata says.
func (s *Sink) matches(ctx context.Context, key string, c sink.Content, crc uint64) (bool, error) {
	head, err := s.head(ctx, key)
	if err != nil {
		if parseError(err).notFound() {
			return false, nil
		}
		return false, classify(ctx, err, "checking "+key)
	}
	held, sum := alioss.ToString(head.HashCRC64), head.Metadata[bucket.MetadataSum]
	length := head.Headers.Get("Content-Length")
	equal := (length == "" || length == strconv.FormatInt(c.Size, 10)) && (sum == "" || sum == hexSum(c))
	switch {
	case equal && held != "" && held != decimal(crc):
		return false, fault.New(fault.Conflict, "%s holds damaged content: its CRC-64 is %.20q, not %d", key, held, crc)
	case equal && (held == "" || sum == ""): // a CRC alone shows accidents, not intent
		if equal, err = bucket.Matches(ctx, s, key, c); err != nil {
			return false, err
		}
	}
	if !equal {
		return false, fault.New(fault.Conflict, "%s holds other content", key)
	}
	if err := s.checkEncryption(key, head); err != nil {
		return false, err
	}
	return true, s.lock(ctx, key, alioss.ToTime(head.LastModified))
}

// checkEncryption checks that the object is encrypted as configured.
func (s *Sink) checkEncryption(key string, head *alioss.HeadObjectResult) error {
	want := s.options.SSE
	if want == nil || alioss.ToString(head.ServerSideEncryption) == want.Type && same(head.ServerSideEncryptionKeyId, want.KMSKeyID) {
		return nil
	}
	return fault.New(fault.SinkDenied, "%s is not encrypted with %s as sse says", key, want.Type).
		WithHint("move away what was written without it, or remove sse")
}

// same reports whether OSS says what is wanted, as far as both are known.
func same(says *string, want string) bool {
	return want == "" || alioss.ToString(says) == "" || *says == want
}

// head asks what OSS knows of an object. A refusal whose header does not say why, as
// one that passed a proxy, is asked for again as a read, whose refusal has a body.
func (s *Sink) head(ctx context.Context, key string) (*alioss.HeadObjectResult, error) {
	head, err := ask(ctx, s, func(ctx context.Context) (*alioss.HeadObjectResult, error) {
		return s.api.headObject(ctx, &alioss.HeadObjectRequest{Bucket: &s.options.Bucket, Key: s.key(key)})
	})
	if e := parseError(err); err == nil || e.status/100 != 4 || e.code != "" || e.notFound() {
		return head, err
	}
	out, again := s.get(ctx, key, alioss.Ptr("bytes=0-0"))
	if again == nil {
		return nil, errors.Join(err, out.Body.Close())
	}
	if parseError(again).code != "" {
		err = again
	}
	return nil, err
}
