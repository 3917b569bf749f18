package s3

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// checkListing lists probe objects in pages of one, which shows whether the store
// goes on where a page ends, and in which order it lists.
func (s *Sink) checkListing(ctx context.Context) diag.Result {
	const check = "listing"
	keys := sink.ListingKeys(s.probeTerms())
	for _, key := range keys {
		if err := s.Put(ctx, key, sink.Probe()); err != nil {
			return diag.Fail(check, err)
		}
	}
	dir := strings.TrimSuffix(keys[0], "-/x.txt")
	all, err := s.names(ctx, dir, "", aws.Int32(1))
	if err != nil {
		return diag.Fail(check, err).WithHint("%s", s.listingHint(ctx, fault.Hint(err)))
	}
	rest, err := s.names(ctx, dir, keys[1], nil)
	if err != nil {
		return diag.Fail(check, err)
	}
	byFolder := append(slices.Clone(keys[1:]), keys[0])
	const needed = "packseal needs a store that lists all keys, page by page and in byte order: see docs/storage.md"
	fail := func(format string, args ...any) diag.Result {
		return diag.Fail(check, fault.New(fault.SinkUnavailable, format, args...)).WithHint("%s", s.listingHint(ctx, needed))
	}
	switch {
	case !slices.Equal(slices.Sorted(slices.Values(all)), keys):
		return fail("in pages of one, the store lists %q of %q", all, keys)
	case !slices.Equal(rest, keys[2:]):
		return fail("after %s, the store lists %q, not %q", keys[1], rest, keys[2:])
	case slices.Equal(all, keys):
		return diag.OK(check, "all keys, page by page, in byte order")
	case slices.Equal(all, byFolder):
		return diag.OK(check, "all keys, page by page; folder by folder instead of in byte order, which packseal copes with")
	}
	return fail("the store lists %q, which is neither in byte order nor folder by folder", all)
}

// names returns the keys of a listing.
func (s *Sink) names(ctx context.Context, prefix, after string, page *int32) (keys []string, err error) {
	for e, err := range s.list(ctx, prefix, after, page) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, e.Key)
	}
	return keys, nil
}

// listingHint returns what to do about a store that does not list as it should, or
// otherwise if the store is not known to.
func (s *Sink) listingHint(ctx context.Context, otherwise string) string {
	if strings.HasSuffix(s.options.Bucket, "--x-s3") {
		return "directory buckets of S3 Express list in no order: use a general purpose bucket"
	}
	var server string
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.options.Bucket, Key: s.key(sink.ProbeKey(s.probeTerms()))})
	if err == nil {
		if r, ok := awsmiddleware.GetRawResponse(head.ResultMetadata).(*smithyhttp.Response); ok {
			server = r.Header.Get("Server")
		}
	}
	who := strings.ToLower(server + " " + s.options.Endpoint)
	if strings.Contains(who, "versitygw") {
		return "upgrade versitygw: 1.0.14 does not list as packseal needs it, 1.8.0 does"
	}
	for _, name := range []string{"SeaweedFS", "LeoFS", "Storj"} {
		if strings.Contains(who, strings.ToLower(name)) {
			return fmt.Sprintf("%s is known for listings in another order: upgrade it, or use another store", name)
		}
	}
	return otherwise
}
