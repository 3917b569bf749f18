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
	who := s.whoAmI(ctx)
	results := append([]diag.Result{who}, s.options.quirks()...)
	if who.State == diag.Bad {
		return results
	}
	versioning, versioned := s.versioning(ctx)
	if results = append(results, versioning); versioning.State == diag.Bad {
		return results // more calls would only say so again
	}
	results = append(results, s.bucketLock(ctx))
	key := sink.ProbeKey(s.terms())
	tried := sink.Try(ctx, s, key)
	if results = append(results, tried...); tried[len(tried)-1].State == diag.Bad {
		return results
	}
	return append(results, s.rewrite(ctx, key, versioned), s.retained(ctx, key))
}

// terms names the lock that an object is written with: another lock needs
// another probe object.
func (s *Sink) terms() string {
	if lock := s.options.ObjectLock; lock != nil {
		return fmt.Sprintf("%s-%d", strings.ToLower(lock.Mode), lock.Days)
	}
	return ""
}

// whoAmI says which key is used, and where it comes from. Whether it is good,
// the calls that follow tell.
func (s *Sink) whoAmI(ctx context.Context) diag.Result {
	c, err := s.client.Options().Credentials.Retrieve(ctx)
	if err != nil {
		return diag.Fail("credentials", classify(ctx, err, "finding credentials"))
	}
	return diag.OK("credentials", "access key %s from %s", secret.Value(c.AccessKeyID).Abbreviated(), c.Source)
}

// versioning asks the bucket. That is for information: packseal replaces and
// deletes nothing.
func (s *Sink) versioning(ctx context.Context) (r diag.Result, on bool) {
	out, err := s.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &s.options.Bucket})
	if err != nil {
		return notToBeHad(ctx, "versioning", err), false
	}
	if out.Status != types.BucketVersioningStatusEnabled {
		return diag.OK("versioning", "off; packseal needs none"), false
	}
	return diag.OK("versioning", "on"), true
}

// bucketLock asks whether the bucket can lock objects.
func (s *Sink) bucketLock(ctx context.Context) diag.Result {
	const check = "object-lock"
	out, err := s.client.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: &s.options.Bucket})
	none := answerOf(err).code == "ObjectLockConfigurationNotFoundError" ||
		err == nil && (out.ObjectLockConfiguration == nil || out.ObjectLockConfiguration.ObjectLockEnabled != types.ObjectLockEnabledEnabled)
	switch {
	case none && s.options.ObjectLock != nil:
		return diag.Fail(check, fault.New(fault.SinkDenied, "object_lock is configured, and the bucket has no Object Lock").
			WithHint("use a bucket that was made with Object Lock, or leave object_lock out"))
	case none:
		return diag.Skip(check, "the bucket has none, and object_lock is not configured")
	case err != nil:
		return notToBeHad(ctx, check, err)
	}
	byDefault := "no retention by default"
	if rule := out.ObjectLockConfiguration.Rule; rule != nil && rule.DefaultRetention != nil {
		d := rule.DefaultRetention
		byDefault = fmt.Sprintf("by default %s for %d days and %d years", d.Mode, aws.ToInt32(d.Days), aws.ToInt32(d.Years))
	}
	return diag.OK(check, "the bucket has it, %s", byDefault)
}

// notToBeHad is for a question that not every store answers, nor everybody: what
// else is wrong, the calls that follow tell.
func notToBeHad(ctx context.Context, check string, err error) diag.Result {
	a := answerOf(err)
	if down := a.status >= 500 && a.status != http.StatusNotImplemented; a.status == 0 || down || a.code == "NoSuchBucket" {
		return diag.Fail(check, classify(ctx, err, "asking the bucket"))
	}
	return diag.Skip(check, "not to be had here: the store answered %d %s", a.status, a.code)
}

// rewrite sends the probe once more on condition that the key is free, which
// it is not: Put itself, finding the probe there already, sends nothing. A
// store that ignores the condition replaces the probe by itself.
func (s *Sink) rewrite(ctx context.Context, key string, versioned bool) diag.Result {
	const check = "no-replace"
	if s.off() && versioned {
		return diag.Skip(check, "conditional_writes is off; a store that ignores the condition would keep a version of the probe at each run")
	}
	strict := Sink{options: s.options, client: s.client, prefix: s.prefix}
	strict.options.ConditionalWrites = writesRequired
	err := strict.putObject(ctx, key, sink.Probe())
	honoured := err != nil && answerOf(err).exists()
	switch {
	case honoured && s.off():
		return diag.OK(check, "the store honours If-None-Match, although conditional_writes is off").WithHint("leave conditional_writes out: then racing writers are kept apart")
	case honoured:
		return diag.OK(check, "the store honours If-None-Match")
	case s.off() && (err == nil || answerOf(err).unconditional()):
		return diag.OK(check, "the store does not honour If-None-Match; conditional_writes is off, the weaker mode is accepted")
	case err == nil:
		return diag.Fail(check, errUnconditional("ignores"))
	}
	return diag.Fail(check, classify(ctx, err, "putting "+key+" again"))
}

// retained reads the lock of the probe object back.
func (s *Sink) retained(ctx context.Context, key string) diag.Result {
	const check = "retention"
	if s.options.ObjectLock == nil {
		return diag.Skip(check, "object_lock is not configured")
	}
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.options.Bucket, Key: s.key(key)})
	if err == nil {
		err = s.locked(ctx, key, head)
	} else {
		err = classify(ctx, err, "looking at "+key)
	}
	if err != nil {
		return diag.Fail(check, err)
	}
	return diag.OK(check, "%s is locked for %d days in mode %s", key, s.options.ObjectLock.Days, s.options.ObjectLock.Mode)
}

// quirks says what is known of Alibaba OSS behind its S3 protocol, where the
// endpoint is that.
func (o *Options) quirks() []diag.Result {
	const check = "oss"
	u, err := url.Parse(o.Endpoint)
	if err != nil || !strings.HasSuffix("."+strings.ToLower(u.Hostname()), ".aliyuncs.com") {
		return nil
	}
	var results []diag.Result
	if o.PathStyle {
		results = append(results, diag.Fail(check, fault.New(fault.SinkDenied, "OSS takes the bucket in the host name only, and path_style is on").WithHint("path_style: false")))
	}
	if o.ObjectLock != nil {
		results = append(results, diag.Fail(check, fault.New(fault.SinkDenied, "OSS's S3 protocol has no retention of objects, and object_lock is configured").
			WithHint("leave object_lock out, and have OSS retain the whole bucket (BucketWorm)")))
	}
	if results == nil {
		results = append(results, diag.OK(check, "Alibaba OSS: bucket in the host name, checksums only where required; no-replace tells whether it honours If-None-Match"))
	}
	return results
}
