package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// storeError is an error of the SDK, taken apart.
type storeError struct {
	status     int    // of the response; 0 if there was none
	code       string // of the S3 error, or empty
	requestID  string // assigned by the store
	retryAfter time.Duration
	err        error // without the URL
}

func parseError(err error) storeError {
	e := storeError{err: err}
	if u, ok := errors.AsType[*url.Error](err); ok {
		e.err = u.Err // *url.Error prints the whole URL
	}
	if r, ok := errors.AsType[*awshttp.ResponseError](err); ok && r.Response != nil {
		e.status, e.requestID = r.HTTPStatusCode(), token(r.RequestID)
		if n, err := strconv.Atoi(r.Response.Header.Get("Retry-After")); err == nil && n > 0 {
			e.retryAfter = min(time.Duration(n)*time.Second, time.Hour)
		}
	}
	if a, ok := errors.AsType[smithy.APIError](err); ok {
		e.code = token(a.ErrorCode())
	}
	return e
}

// token returns s if it looks like an error code or a request ID, and "" if
// not: other text of a response is not fit for a message.
func token(s string) string {
	if tokenPattern.MatchString(s) {
		return s
	}
	return ""
}

var tokenPattern = regexp.MustCompile(`^[A-Za-z0-9._/+=:-]{1,128}$`)

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

// notConditional reports whether the store rejected the condition itself.
func (e storeError) notConditional() bool {
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
	if ended := sink.Ended(ctx); ended != nil {
		return fmt.Errorf("%s: %w", doing, ended)
	}
	if e, ok := errors.AsType[*credentialsError](err); ok {
		return fault.New(fault.SinkDenied, "%s: retrieving credentials: %w", doing, e.error).
			WithHint("set access_key_id_file and secret_access_key_file, or set up the AWS default credential chain")
	}
	if errors.Is(err, errTooLong) {
		return fault.New(fault.SinkUnavailable, "%s: %w", doing, errTooLong).WithHint("%s", proxyHint)
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return fmt.Errorf("%s: %w", doing, err)
	}
	parsed := parseError(err)
	if parsed.status == 0 {
		return fault.New(fault.SinkUnavailable, "%s: %w", doing, parsed.err).WithHint("check that endpoint is right and reachable")
	}
	reason, hint := parsed.reason()
	e := fault.New(reason, "%s: the store answered %d %s (request %q)", doing, parsed.status, parsed.code, parsed.requestID).WithHint("%s", hint)
	e.RetryAfter = parsed.retryAfter
	return e
}

// errForeign is the error of a response whose status says success and that does
// not come from the store.
var errForeign = fault.New(fault.SinkUnavailable, "the response is not one of the store").WithHint("%s", proxyHint)

// errListing returns the error of a listing that is not complete.
func errListing(how string) error {
	return fault.New(fault.SinkUnavailable, "the store's listing goes on, and %s", how).
		WithHint("packseal needs ListObjectsV2 with continuation tokens: docs/storage.md lists stores that have it")
}

// proxyHint is for a response that does not come from a store.
const proxyHint = "check endpoint, and any proxy in between"

// reason returns the reason and the hint for a response.
func (e storeError) reason() (fault.Reason, string) {
	switch e.code {
	case "NoSuchBucket":
		return fault.SinkDenied, "create the bucket, or correct bucket, endpoint and region"
	case "InvalidAccessKeyId", "InvalidClientTokenId", "XAdminUserNotFound": // the last is versitygw's
		return fault.SinkDenied, "the store does not know the access key ID"
	case "SignatureDoesNotMatch":
		return fault.SinkDenied, "the secret access key does not belong to this access key ID, or a proxy alters requests"
	case "ExpiredToken", "InvalidToken", "TokenRefreshRequired":
		return fault.SinkDenied, "the session token is expired or invalid: renew it"
	case "RequestTimeTooSkewed":
		return fault.ClockSkew, "correct the local clock"
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException":
		return fault.SinkDenied, "the bucket is in another region: correct region and endpoint"
	case "BadDigest", "InvalidDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch":
		return fault.Damaged, "the content was altered on the way to the store"
	case "SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests":
		return fault.SinkUnavailable, "the store is throttling requests"
	case "RequestTimeout", "OperationAborted", "ConditionalRequestConflict", "NoSuchUpload", "InternalError":
		return fault.SinkUnavailable, ""
	}
	switch {
	case e.status/100 == 2 && e.code == "": // truncated, or not parsable
		return fault.SinkUnavailable, proxyHint
	case e.down(), e.status == http.StatusTooManyRequests, e.status == http.StatusRequestTimeout:
		return fault.SinkUnavailable, ""
	case e.status == http.StatusUnauthorized, e.status == http.StatusForbidden:
		return fault.SinkDenied, "check the credentials and that they are allowed PutObject, GetObject, ListBucket and AbortMultipartUpload on the bucket; with object_lock also PutObjectRetention and GetObjectRetention"
	}
	return fault.SinkDenied, ""
}

// errNotConditional returns the error for a store that ignores or rejects the
// condition of a write.
func errNotConditional(verb string) error {
	return fault.New(fault.SinkDenied, "the store %s If-None-Match, which keeps objects from being replaced", verb).
		WithHint("use a store that supports conditional writes, or accept the weaker mode with conditional_writes: off")
}
