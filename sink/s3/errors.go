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

// answer is what the store said, or err when it said nothing.
type answer struct {
	status  int    // 0 when there was no answer
	code    string // of S3's error, or empty
	request string // the store's own ID of the request
	after   time.Duration
	err     error // without the URL
}

func answerOf(err error) answer {
	a := answer{err: err}
	if e, ok := errors.AsType[*url.Error](err); ok {
		a.err = e.Err // *url.Error prints the whole URL
	}
	if e, ok := errors.AsType[*awshttp.ResponseError](err); ok && e.Response != nil {
		a.status, a.request = e.HTTPStatusCode(), word(e.RequestID)
		if n, err := strconv.Atoi(e.Response.Header.Get("Retry-After")); err == nil && n > 0 {
			a.after = min(time.Duration(n)*time.Second, time.Hour)
		}
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		a.code = word(e.ErrorCode())
	}
	return a
}

// word is s if it is fit for a message, as every code and ID of a store's is.
func word(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return ""
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9._/+=:-]{1,128}$`)

// missing reports whether the object is not there. The answer to HEAD has no
// code; a bucket that is not there is found out by the write that follows.
func (a answer) missing() bool {
	return a.status == http.StatusNotFound && (a.code == "NoSuchKey" || a.code == "NotFound" || a.code == "")
}

// exists reports whether the condition of a write failed: the key is taken, or
// (409) is just being written by somebody else.
func (a answer) exists() bool {
	return a.status == http.StatusPreconditionFailed || a.code == "PreconditionFailed" || a.code == "ConditionalRequestConflict"
}

// classify gives the error of what was being done its reason.
func classify(ctx context.Context, err error, doing string) error {
	if err == nil {
		return nil
	}
	if ended := sink.Ended(ctx); ended != nil {
		return fmt.Errorf("%s: %w", doing, ended)
	}
	if e, ok := errors.AsType[*credentialsError](err); ok {
		return fault.New(fault.SinkDenied, "%s: finding credentials: %w", doing, e.error).
			WithHint("name files of credentials, or give AWS's own chain what it needs")
	}
	if errors.Is(err, errLong) {
		return fault.New(fault.SinkUnavailable, "%s: %w", doing, errLong).WithHint("%s", foreign)
	}
	a := answerOf(err)
	if a.status == 0 {
		return fault.New(fault.SinkUnavailable, "%s: %w", doing, a.err).WithHint("see that the store's endpoint is right and can be reached")
	}
	reason, hint := a.reason()
	e := fault.New(reason, "%s: the store answered %d %s (request %q)", doing, a.status, a.code, a.request).WithHint("%s", hint)
	e.RetryAfter = a.after
	return e
}

// foreign is what to do about an answer that is not the store's.
const foreign = "look at endpoint, and at any proxy between here and there"

// reason is the table from what stores answer to what follows from it.
func (a answer) reason() (fault.Reason, string) {
	switch a.code {
	case "NoSuchBucket":
		return fault.SinkDenied, "make the bucket, or set bucket, endpoint and region right"
	case "InvalidAccessKeyId", "InvalidClientTokenId", "XAdminUserNotFound": // the last is versitygw's
		return fault.SinkDenied, "the store does not know the access key ID"
	case "SignatureDoesNotMatch":
		return fault.SinkDenied, "the secret access key is not the one of this ID, or a proxy alters requests"
	case "ExpiredToken", "InvalidToken", "TokenRefreshRequired":
		return fault.SinkDenied, "the session token has expired or is wrong: renew it"
	case "RequestTimeTooSkewed":
		return fault.ClockSkew, "set the local clock"
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException":
		return fault.SinkDenied, "the bucket is in another region: set region and endpoint right"
	case "BadDigest", "InvalidDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch":
		return fault.Damaged, "the bytes were altered on their way to the store"
	case "SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests":
		return fault.SinkUnavailable, "the store asks to slow down"
	case "RequestTimeout", "OperationAborted", "ConditionalRequestConflict", "NoSuchUpload", "InternalError":
		return fault.SinkUnavailable, ""
	}
	switch {
	case a.status/100 == 2 && a.code == "": // it could not be read, or was cut
		return fault.SinkUnavailable, foreign
	case a.status >= 500 && a.status != http.StatusNotImplemented, a.status == http.StatusTooManyRequests, a.status == http.StatusRequestTimeout:
		return fault.SinkUnavailable, ""
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return fault.SinkDenied, "see that the credentials are right, and allow them PutObject, GetObject, ListBucket and AbortMultipartUpload on the bucket; PutObjectRetention and GetObjectRetention with object_lock"
	}
	return fault.SinkDenied, ""
}

// unconditional reports whether a store refused the condition itself.
func (a answer) unconditional() bool {
	switch a.code {
	case "NotImplemented", "InvalidArgument", "InvalidRequest", "UnsupportedHeader":
		return true
	}
	return a.status == http.StatusNotImplemented
}

// errUnconditional is for a store that does not keep writers apart.
func errUnconditional(what string) error {
	return fault.New(fault.SinkDenied, "the store %s If-None-Match, which keeps objects from being replaced", what).
		WithHint("use a store that has conditional writes, or accept the weaker mode with conditional_writes: off")
}
