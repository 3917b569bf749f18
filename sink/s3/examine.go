package s3

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/sink"
)

var _ sink.Examiner = (*Sink)(nil)

// Examine implements [sink.Examiner].
func (s *Sink) Examine(ctx context.Context) []diag.Result {
	who := s.checkCredentials(ctx)
	results := append([]diag.Result{who}, checkOSS(&s.options)...)
	if who.State == diag.Bad {
		return results
	}
	versioning, versioned := s.checkVersioning(ctx)
	if results = append(results, versioning); versioning.State == diag.Bad {
		return results // further calls would fail in the same way
	}
	results = append(results, s.checkObjectLock(ctx))
	key := sink.ProbeKey(s.probeTerms())
	tried := sink.Try(ctx, s, key)
	if results = append(results, tried...); tried[len(tried)-1].State == diag.Bad {
		return results
	}
	noReplace := s.checkNoReplace(ctx, key, versioned)
	if results = append(results, noReplace); noReplace.State != diag.Bad { // else nothing more is to be written
		results = append(results, s.checkListing(ctx))
	}
	return append(results, s.checkProbeRetention(ctx, key))
}

// probeTerms names the retention and encryption of objects, which determine the
// probe object: one that was written with others cannot be reused.
func (s *Sink) probeTerms() string {
	var terms []string
	if lock := s.options.ObjectLock; lock != nil {
		terms = append(terms, fmt.Sprintf("%s-%d", strings.ToLower(lock.Mode), lock.Days))
	}
	if sse := s.options.SSE; sse != nil {
		terms = append(terms, "sse-"+strings.ReplaceAll(strings.ToLower(sse.Type), ":", "-"))
	}
	return strings.Join(terms, "-")
}

// checkCredentials returns which access key is used and where it comes from. Whether
// it is valid is left to the calls that follow.
func (s *Sink) checkCredentials(ctx context.Context) diag.Result {
	c, err := s.client.Options().Credentials.Retrieve(ctx)
	if err != nil {
		return diag.Fail("credentials", classify(ctx, err, "retrieving credentials"))
	}
	return diag.OK("credentials", "access key %s from %s", secret.Value(c.AccessKeyID).Abbreviated(), c.Source)
}

// checkVersioning reports whether the bucket keeps versions, and whether deletions
// can be seen in them. This is only for information: packseal neither replaces nor
// deletes objects.
func (s *Sink) checkVersioning(ctx context.Context) (r diag.Result, on bool) {
	out, err := s.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &s.options.Bucket})
	if err != nil {
		return unsupported(ctx, "versioning", err), false
	}
	if out.Status != types.BucketVersioningStatusEnabled {
		return diag.OK("versioning", "off; packseal does not need it"), false
	}
	if _, err := s.Deletions(ctx, sink.ProbeKey("")); err != nil {
		return diag.Fail("versioning", err), true
	}
	if s.unversioned.Load() != nil {
		return diag.OK("versioning", "on; versions cannot be listed, so deletions are not noticed").WithHint("allow s3:ListBucketVersions"), true
	}
	return diag.OK("versioning", "on; deletions are noticed"), true
}

// checkObjectLock reports whether the bucket supports Object Lock.
func (s *Sink) checkObjectLock(ctx context.Context) diag.Result {
	const check = "object-lock"
	out, err := s.client.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: &s.options.Bucket})
	none := parseError(err).code == "ObjectLockConfigurationNotFoundError" ||
		err == nil && (out.ObjectLockConfiguration == nil || out.ObjectLockConfiguration.ObjectLockEnabled != types.ObjectLockEnabledEnabled)
	switch {
	case none && s.options.ObjectLock != nil:
		return diag.Fail(check, fault.New(fault.SinkDenied, "object_lock is configured, but the bucket has no Object Lock").
			WithHint("use a bucket that was created with Object Lock, or remove object_lock"))
	case none:
		return diag.Skip(check, "off, and object_lock is not configured")
	case err != nil:
		return unsupported(ctx, check, err)
	}
	byDefault := "no default retention"
	if rule := out.ObjectLockConfiguration.Rule; rule != nil && rule.DefaultRetention != nil {
		d := rule.DefaultRetention
		byDefault = fmt.Sprintf("default retention %s for %d days and %d years", d.Mode, aws.ToInt32(d.Days), aws.ToInt32(d.Years))
	}
	return diag.OK(check, "on, %s", byDefault)
}

// unsupported returns the result for a call that failed but that a store need
// not support, nor the policy allow. Other faults are left to the calls that
// follow.
func unsupported(ctx context.Context, check string, err error) diag.Result {
	e := parseError(err)
	if e.down() || e.code == "NoSuchBucket" {
		return diag.Fail(check, classify(ctx, err, "querying the bucket"))
	}
	switch {
	case e.status == http.StatusForbidden:
		return diag.Skip(check, "not known: the policy does not allow asking, the store answered %s", e)
	case e.rejected(), e.status == http.StatusMethodNotAllowed:
		return diag.Skip(check, "this store does not offer it: it answered %s", e)
	}
	return diag.Skip(check, "not known: the store answered %s", e)
}

// checkNoReplace sends the probe again on condition that its key does not exist,
// which must fail. A store that ignores the condition replaces the probe with
// itself.
func (s *Sink) checkNoReplace(ctx context.Context, key string, versioned bool) diag.Result {
	const check = "no-replace"
	if s.unconditional() && versioned {
		return diag.Skip(check, "conditional_writes is off; a store that ignores the condition would add a version of the probe on each run")
	}
	err := s.putProbe(ctx, func(strict *Sink) { strict.options.ConditionalWrites = conditionalRequired })
	refused := err != nil && parseError(err).exists()
	switch {
	case refused && s.unconditional():
		return diag.OK(check, "the store supports If-None-Match, although conditional_writes is off").WithHint("remove conditional_writes, so that racing writers cannot overwrite each other")
	case refused:
		return diag.OK(check, "the store supports If-None-Match")
	case s.unconditional() && (err == nil || parseError(err).rejected()):
		return diag.OK(check, "the store does not support If-None-Match; conditional_writes is off, which accepts the weaker mode")
	case err == nil:
		return diag.Fail(check, errNotConditional("ignores"))
	}
	return diag.Fail(check, classify(ctx, err, "putting "+key+" again"))
}

// checkProbeRetention reads back the retention of the probe object.
func (s *Sink) checkProbeRetention(ctx context.Context, key string) diag.Result {
	const check = "retention"
	if s.options.ObjectLock == nil {
		return diag.Skip(check, "object_lock is not configured")
	}
	head, err := s.head(ctx, key)
	if err == nil {
		err = s.checkRetention(ctx, key, head)
	} else {
		err = classify(ctx, err, "checking "+key)
	}
	if err != nil {
		return diag.Fail(check, err)
	}
	return diag.OK(check, "%s is locked for %d days in mode %s", key, s.options.ObjectLock.Days, s.options.ObjectLock.Mode)
}

// checkOSS checks the options against the known limits of Alibaba OSS's S3
// protocol, if that is the endpoint.
func checkOSS(o *Options) []diag.Result {
	const check = "oss"
	u, err := url.Parse(o.Endpoint)
	if err != nil || !strings.HasSuffix("."+strings.ToLower(u.Hostname()), ".aliyuncs.com") {
		return nil
	}
	var results []diag.Result
	if o.PathStyle {
		results = append(results, diag.Fail(check, fault.New(fault.SinkDenied, "OSS accepts the bucket only in the host name, but path_style is on").WithHint("path_style: false")))
	}
	if o.ObjectLock != nil {
		results = append(results, diag.Fail(check, fault.New(fault.SinkDenied, "OSS's S3 protocol has no object retention, but object_lock is configured").
			WithHint("use the oss sink, with bucket_worm; or remove object_lock")))
	}
	if results == nil {
		results = append(results, diag.OK(check, "Alibaba OSS: bucket in the host name, checksums only where required; see no-replace for whether it supports If-None-Match").
			WithHint("use the oss sink, which speaks OSS's own protocol: the keys are the same"))
	}
	return results
}
