package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/sink/bucket"
)

// storeError is an error of the SDK, taken apart.
type storeError struct {
	status     int           // of the response; 0 if there was none
	code       string        // of the S3 error, or empty
	message    string        // the store's own words, fit to be shown, or empty
	region     string        // where the bucket is, if the store says so
	skew       time.Duration // how far the local clock is ahead of the store's
	requestID  string        // assigned by the store
	retryAfter time.Duration
	err        error // without the URL
}

func parseError(err error) storeError {
	e := storeError{err: err}
	if u, ok := errors.AsType[*url.Error](err); ok {
		e.err = u.Err // *url.Error prints the whole URL
	}
	if r, ok := errors.AsType[*awshttp.ResponseError](err); ok && r.Response != nil {
		e.status, e.requestID = r.HTTPStatusCode(), bucket.Token(r.RequestID)
		e.region = bucket.Token(r.Response.Header.Get("X-Amz-Bucket-Region"))
		e.skew, e.retryAfter = bucket.Skew(r.Response.Header), bucket.RetryAfter(r.Response.Header)
	}
	if a, ok := errors.AsType[smithy.APIError](err); ok {
		e.code = bucket.Token(a.ErrorCode())
		if e.message = secret.Quote(a.ErrorMessage(), 200); e.message == e.code {
			e.message = ""
		}
	}
	return e
}

// notFound reports whether the object does not exist. A response to HEAD has no
// code; a bucket that does not exist is detected by the write that follows.
func (e storeError) notFound() bool {
	return e.status == http.StatusNotFound && (e.code == "NoSuchKey" || e.code == "NotFound" || e.code == "")
}

// exists reports whether the condition of a write failed: the key exists, or
// (409) another writer is storing it right now.
func (e storeError) exists() bool {
	return e.status == http.StatusPreconditionFailed || e.code == "PreconditionFailed" || e.code == "ConditionalRequestConflict"
}

// rejected reports whether the store rejected something about the request itself,
// such as a header that it does not know.
func (e storeError) rejected() bool {
	switch e.code {
	case "NotImplemented", "InvalidArgument", "InvalidRequest", "UnsupportedHeader":
		return true
	}
	return e.status == http.StatusNotImplemented
}

// down reports whether there was no response, or one of a store in trouble.
func (e storeError) down() bool {
	return e.status == 0 || e.status >= 500 && e.status != http.StatusNotImplemented
}

// classify gives err its reason. The message begins with what was being done.
func classify(ctx context.Context, err error, doing string) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*credentialsError](err); ok && ctx.Err() == nil {
		return fault.New(fault.SinkDenied, "%s: retrieving credentials: %w", doing, e.error).
			WithHint("set access_key_id_file and secret_access_key_file, or set up the AWS default credential chain")
	}
	if failed := bucket.Classify(ctx, err, doing); failed != nil {
		return failed
	}
	parsed := parseError(err)
	if parsed.status == 0 {
		return fault.New(fault.SinkUnavailable, "%s: %w", doing, parsed.err).WithHint("check that endpoint is right and reachable")
	}
	reason, hint := parsed.reason()
	e := fault.New(reason, "%s: the store answered %s (request %q)", doing, parsed, parsed.requestID).WithHint("%s", hint)
	e.RetryAfter = parsed.retryAfter
	return e
}

// String returns status, code and message.
func (e storeError) String() string {
	s := strings.TrimSpace(fmt.Sprint(e.status, " ", e.code))
	if e.message != "" {
		s += ": " + e.message
	}
	return s
}

// foreign reports whether a response about an object is not the store's: that has
// an ETag.
func foreign(etag *string) bool { return aws.ToString(etag) == "" }

// reason returns the reason and the hint for a response.
func (e storeError) reason() (fault.Reason, string) {
	switch e.code {
	case "NoSuchBucket":
		return fault.SinkDenied, "create the bucket, or correct bucket, endpoint and region"
	case "InvalidObjectState":
		return fault.NotRestored, "a lifecycle rule moved the object to an archive tier: restore it to read it, and keep archive tiers off this bucket"
	case "InvalidAccessKeyId", "InvalidClientTokenId", "XAdminUserNotFound": // the last is versitygw's
		return fault.SinkDenied, "the store does not know the access key ID"
	case "SignatureDoesNotMatch":
		return fault.SinkDenied, "the secret access key does not belong to this access key ID, or a proxy alters requests"
	case "ExpiredToken", "InvalidToken", "TokenRefreshRequired":
		return fault.SinkDenied, "the session token is expired or invalid: renew it"
	case "RequestTimeTooSkewed":
		return e.clockSkew()
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException":
		return e.otherRegion()
	case "BadDigest", "InvalidDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch":
		return fault.Damaged, "the content was altered on the way to the store"
	case "SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests":
		return fault.SinkUnavailable, "the store is throttling requests"
	case "RequestTimeout", "OperationAborted", "ConditionalRequestConflict", "NoSuchUpload", "InternalError":
		return fault.SinkUnavailable, ""
	}
	switch {
	case e.region != "" && (e.status/100 == 3 || e.status == http.StatusBadRequest && e.bare()):
		return e.otherRegion()
	case e.status/100 == 3:
		return fault.SinkDenied, "requests are signed for one host and follow no redirect: correct endpoint (https?) and region"
	case e.status == http.StatusForbidden && e.skew.Abs() > bucket.ClockSkew:
		return e.clockSkew()
	case e.status/100 == 2 && e.code == "": // truncated, or not parsable
		return fault.SinkUnavailable, bucket.ProxyHint
	case e.down(), e.status == http.StatusTooManyRequests, e.status == http.StatusRequestTimeout:
		return fault.SinkUnavailable, ""
	case e.status == http.StatusUnauthorized, e.status == http.StatusForbidden:
		return fault.SinkDenied, "check the credentials and that they are allowed PutObject, GetObject, ListBucket and AbortMultipartUpload on the bucket; with object_lock also PutObjectRetention and GetObjectRetention"
	}
	return fault.SinkDenied, ""
}

// bare reports whether a refusal had no body: the SDK then makes a code of the status.
func (e storeError) bare() bool {
	return e.code == "" || e.code == strings.ReplaceAll(http.StatusText(e.status), " ", "")
}

func (e storeError) clockSkew() (fault.Reason, string) {
	return fault.ClockSkew, bucket.SkewHint(e.skew)
}

func (e storeError) otherRegion() (fault.Reason, string) {
	if e.region == "" {
		return fault.SinkDenied, "the bucket is in another region: correct region and endpoint"
	}
	return fault.SinkDenied, fmt.Sprintf("the bucket is in region %s: correct region and endpoint", e.region)
}

// errNotConditional returns the error for a store that ignores or rejects the
// condition of a write.
func errNotConditional(verb string) error {
	return fault.New(fault.SinkDenied, "the store %s If-None-Match, which keeps objects from being replaced", verb).
		WithHint("use a store that supports conditional writes, or accept the weaker mode with conditional_writes: off")
}
