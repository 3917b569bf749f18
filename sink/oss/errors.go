package oss

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/sink/bucket"
)

// storeError is an error of the SDK, taken apart: its own text has eight lines and
// the URL.
type storeError struct {
	status     int           // of the response; 0 if there was none
	foreign    bool          // the response has no request ID, so it is not one of OSS
	code       string        // of OSS, or empty
	message    string        // OSS's own words, fit to be shown, or empty
	ec         string        // OSS's finer code, or empty
	region     string        // where the bucket is, if OSS says so
	skew       time.Duration // how far the local clock is ahead of OSS's
	requestID  string        // assigned by OSS
	retryAfter time.Duration
	err        error // without the URL
}

// noCode is the SDK's own code for a response without one.
const noCode = "BadErrorResponse"

// otherEndpoint is where OSS says which endpoint a bucket has.
var otherEndpoint = regexp.MustCompile(`<Endpoint>oss-([a-z0-9-]{1,40}?)(-internal)?\.aliyuncs\.com</Endpoint>`)

func parseError(err error) storeError {
	e := storeError{err: err}
	if u, ok := errors.AsType[*url.Error](err); ok {
		e.err = u.Err // *url.Error prints the whole URL
	}
	s, ok := errors.AsType[*alioss.ServiceError](err)
	if !ok {
		return e
	}
	e.status, e.requestID = s.StatusCode, bucket.Token(s.Headers.Get(alioss.HeaderOssRequestID))
	e.foreign = e.requestID == ""
	e.skew, e.retryAfter = bucket.Skew(s.Headers), bucket.RetryAfter(s.Headers)
	if s.Code == noCode || e.foreign {
		return e
	}
	e.code, e.ec = bucket.Token(s.Code), bucket.Token(s.EC)
	e.message = secret.Quote(s.Message, 200)
	if m := otherEndpoint.FindSubmatch(s.Snapshot); m != nil {
		e.region = string(m[1])
	}
	return e
}

// notFound reports whether the object does not exist. The response to a HEAD may have
// no code; a bucket that does not exist is detected by other calls.
func (e storeError) notFound() bool {
	return e.status == http.StatusNotFound && !e.foreign && (e.code == "NoSuchKey" || e.code == "")
}

// exists reports whether a write was refused because of the object that is there.
func (e storeError) exists() bool {
	switch e.code {
	case "FileAlreadyExists", "ObjectAlreadyExists", "FileImmutable":
		return e.status == http.StatusConflict
	}
	return false
}

// noWorm reports whether the bucket has no retention policy.
func (e storeError) noWorm() bool {
	return e.status == http.StatusNotFound && strings.HasPrefix(e.code, "NoSuchWORM")
}

// refused reports whether OSS refused something for good: not for a moment.
func (e storeError) refused() bool { return e.status/100 == 4 && !e.foreign && !e.down() }

// elsewhere reports whether the bucket is in another region than the one asked, or
// signed for.
func (e storeError) elsewhere() bool {
	return e.status/100 == 3 || e.region != "" || strings.Contains(strings.ToLower(e.message), "signing region")
}

// denied reports whether a policy does not allow the call.
func (e storeError) denied() bool {
	return e.status == http.StatusForbidden && e.code == "AccessDenied" && !e.elsewhere() && e.skew.Abs() <= bucket.ClockSkew
}

// withheld reports whether OSS does not answer this call, and may well answer others:
// a policy does not allow it, or OSS does not offer it.
func (e storeError) withheld() bool {
	return e.denied() || e.refused() && !e.elsewhere() && e.status != http.StatusForbidden && e.code != "NoSuchBucket"
}

// refusesKeys reports whether the access key was refused, so that another one may be
// taken.
func (e storeError) refusesKeys() bool {
	switch e.code {
	case "InvalidAccessKeyId", "SecurityTokenExpired", "InvalidSecurityToken", "SignatureDoesNotMatch":
		return true
	}
	return false
}

// throttled reports whether OSS asks for fewer requests.
func (e storeError) throttled() bool {
	return e.status == http.StatusTooManyRequests || e.status == http.StatusServiceUnavailable || strings.Contains(e.code, "LimitExceeded")
}

// down reports whether there was no response, or one of a store in trouble.
func (e storeError) down() bool {
	return e.status == 0 || e.status >= 500 && e.status != http.StatusNotImplemented || e.status == http.StatusRequestTimeout || e.throttled()
}

// lost reports whether a write may have succeeded, and the answer to it was lost: on
// its way, in OSS itself, or before a proxy that sent the request again.
func (e storeError) lost() bool {
	if _, unsent := errors.AsType[*keysError](e.err); unsent {
		return false
	}
	if f, ok := errors.AsType[*fault.Error](e.err); ok && f.Reason == fault.Damaged {
		return false
	}
	return e.down() && !e.throttled() || e.code == "NoSuchUpload"
}

// classify gives err its reason. The message begins with what was being done.
func classify(ctx context.Context, err error, doing string) error {
	if err == nil {
		return nil
	}
	if k, ok := errors.AsType[*keysError](err); ok && ctx.Err() == nil {
		reason := fault.SinkDenied
		if fault.Transient(k.error) {
			reason = fault.SinkUnavailable
		}
		return fault.New(reason, "%s: %w", doing, k.error).WithHint("%s", fault.Hint(k.error))
	}
	if failed := bucket.Classify(ctx, err, doing); failed != nil {
		return failed
	}
	if _, ok := errors.AsType[*alioss.DeserializationError](err); ok {
		return fault.New(fault.SinkUnavailable, "%s: the response cannot be read", doing).WithHint("%s", bucket.ProxyHint)
	}
	e := parseError(err)
	if e.status == 0 {
		return fault.New(fault.SinkUnavailable, "%s: %w", doing, e.err).WithHint("check that endpoint is right and reachable")
	}
	reason, hint := e.reason()
	f := fault.New(reason, "%s: OSS answered %s", doing, e).WithHint("%s", hint)
	if e.foreign {
		f = fault.New(reason, "%s: the response is not one of OSS: %d without a request ID", doing, e.status).WithHint("%s", hint)
	}
	f.RetryAfter = e.retryAfter
	return f
}

// String returns status, code and message, and what Alibaba Cloud's support asks for.
func (e storeError) String() string {
	s := strings.TrimSpace(fmt.Sprint(e.status, " ", e.code))
	if e.message != "" {
		s += ": " + e.message
	}
	s += fmt.Sprintf(" (request %q", e.requestID)
	if e.ec != "" {
		s += fmt.Sprintf(", EC %q", e.ec)
	}
	return s + ")"
}

// reason returns the reason and the hint for a response.
func (e storeError) reason() (fault.Reason, string) {
	switch e.code {
	case "NoSuchBucket":
		return fault.SinkDenied, "create the bucket, or correct bucket, region and endpoint"
	case "InvalidObjectState":
		return fault.NotRestored, "a lifecycle rule moved the object to an archive tier: restore it to read it, and keep archive tiers off this bucket"
	case "InvalidAccessKeyId":
		return fault.SinkDenied, "OSS does not know the access key ID, or its security token is gone"
	case "UserDisable":
		return fault.SinkDenied, "Alibaba Cloud disabled the account, such as for an overdue payment"
	case "SignatureDoesNotMatch":
		return fault.SinkDenied, "the secret does not belong to this access key ID, or a proxy alters requests"
	case "SecurityTokenExpired", "InvalidSecurityToken":
		return fault.SinkDenied, "the security token is expired or invalid: renew it"
	case "RequestTimeTooSkewed":
		return fault.ClockSkew, bucket.SkewHint(e.skew)
	case "InvalidDigest", "IncompleteBody":
		return fault.Damaged, "the content was altered on the way to OSS"
	case "NoSuchUpload", "OperationAborted", "RequestTimeout":
		return fault.SinkUnavailable, ""
	}
	switch {
	case e.foreign:
		return fault.SinkUnavailable, bucket.ProxyHint
	case e.throttled():
		return fault.SinkUnavailable, "OSS is throttling requests"
	case e.down():
		return fault.SinkUnavailable, ""
	case e.elsewhere() && e.region != "":
		return fault.SinkDenied, fmt.Sprintf("the bucket is in region %s: correct region and endpoint", e.region)
	case e.elsewhere():
		return fault.SinkDenied, "the bucket is in another region: correct region and endpoint"
	case e.status == http.StatusForbidden && e.skew.Abs() > bucket.ClockSkew:
		return fault.ClockSkew, bucket.SkewHint(e.skew)
	case e.status == http.StatusUnauthorized, e.status == http.StatusForbidden:
		return fault.SinkDenied, "check the credentials, and that they are allowed oss:PutObject, oss:GetObject, oss:AbortMultipartUpload and oss:ListObjects (docs/storage.md); EC says which rule refused"
	}
	return fault.SinkDenied, ""
}
