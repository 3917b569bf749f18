package s3

import (
	"context"
	"fmt"
	"strings"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"packseal.example/internal/diag"
	"packseal.example/sink"
	"packseal.example/sink/bucket"
)

// checkListing lists probe objects.
func (s *Sink) checkListing(ctx context.Context) diag.Result {
	return bucket.CheckListing(ctx, s, s.probeTerms(), func(otherwise string) string { return s.listingHint(ctx, otherwise) })
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
