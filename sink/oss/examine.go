package oss

import (
	"context"
	"strings"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/bucket"
)

var _ sink.Examiner = (*Sink)(nil)

// Examine implements [sink.Examiner].
func (s *Sink) Examine(ctx context.Context) []diag.Result {
	who := s.examineKeys(ctx)
	results := []diag.Result{who}
	if who.State == diag.Bad {
		return results
	}
	versioning := s.examineVersioning(ctx)
	if results = append(results, versioning); versioning.State == diag.Bad {
		return results // nothing is to be written
	}
	worm := s.examineWorm(ctx)
	if results = append(results, worm); worm.State == diag.Bad {
		return results
	}
	tried := sink.Try(ctx, s, s.probeKey())
	if results = append(results, tried...); tried[len(tried)-1].State == diag.Bad {
		return results
	}
	noReplace := s.examineNoReplace(ctx)
	if results = append(results, noReplace); noReplace.State != diag.Bad {
		results = append(results, bucket.CheckListing(ctx, s, s.terms(), func(otherwise string) string { return otherwise }))
	}
	return append(results, s.examineLock(ctx))
}

// examineKeys returns which access key is used and where it comes from. Whether it
// is valid is left to the calls that follow.
func (s *Sink) examineKeys(ctx context.Context) diag.Result {
	k, err := s.keys.Get(ctx)
	if err != nil {
		return diag.Fail("credentials", classify(ctx, &keysError{err}, "getting credentials"))
	}
	return diag.OK("credentials", "access key %s from %s", k.ID.Abbreviated(), s.keys.Origin())
}

// examineVersioning reports whether the bucket has versioning, which OSS's write-once
// does not go together with.
func (s *Sink) examineVersioning(ctx context.Context) diag.Result {
	const check = "versioning"
	state, err := s.versioning(ctx)
	switch {
	case err != nil:
		return unanswered(ctx, check, "oss:GetBucketVersioning", err)
	case state != "" && !s.unconditional():
		return diag.Fail(check, errVersioned(strings.ToLower(state)))
	case state == "":
		return diag.OK(check, "off")
	}
	state = strings.ToLower(state)
	if _, err := s.Deletions(ctx, s.probeKey()); err != nil {
		return diag.Fail(check, err)
	}
	if s.unlisted.Load() != nil {
		return diag.OK(check, "%s; versions cannot be listed, so deletions are not noticed", state).WithHint("allow oss:ListObjectVersions")
	}
	return diag.OK(check, "%s; deletions are noticed", state)
}

// examineWorm reports the bucket's retention policy.
func (s *Sink) examineWorm(ctx context.Context) diag.Result {
	const check = "bucket-worm"
	if s.options.BucketWorm != nil {
		if err := s.checkWorm(ctx); err != nil {
			return diag.Fail(check, err)
		}
	}
	worm, err := s.worm(ctx)
	switch {
	case err != nil:
		return unanswered(ctx, check, "oss:GetBucketWorm", err)
	case worm == nil:
		return diag.Skip(check, "the bucket has no retention policy, and bucket_worm is not configured")
	case !worm.locked:
		return diag.OK(check, "%d days, not locked: it lapses a day after it was made", worm.days).WithHint("lock it, which cannot be undone, and set bucket_worm")
	}
	r := diag.OK(check, "locked for %d days", worm.days)
	if s.options.BucketWorm == nil {
		r = r.WithHint("set bucket_worm: {days: %d}, so that packseal refuses a bucket without it", worm.days)
	}
	return r
}

// unanswered returns the result for a call that failed but that the policy need not
// allow; the permission is that of the call.
func unanswered(ctx context.Context, check, permission string, err error) diag.Result {
	switch e := parseError(err); {
	case e.denied():
		return diag.Skip(check, "not known: the policy does not allow asking, OSS answered %s", e).WithHint("allow %s", permission)
	case e.withheld():
		return diag.Skip(check, "not known: OSS answered %s", e)
	}
	return diag.Fail(check, classify(ctx, err, "querying the bucket"))
}

// examineNoReplace sends the probe again on condition that its key does not exist,
// which must fail. A bucket that ignores the condition replaces the probe with
// itself.
func (s *Sink) examineNoReplace(ctx context.Context) diag.Result {
	const check = "no-replace"
	if state, err := s.versioning(ctx); s.unconditional() && (err != nil || state != "") {
		return diag.Skip(check, "overwrite is off; a bucket with versioning would add a version of the probe on each run")
	}
	w, err := s.putProbe(ctx)
	refused := parseError(err).exists()
	switch {
	case refused && s.unconditional():
		return diag.OK(check, "the bucket keeps to x-oss-forbid-overwrite, although overwrite is off").WithHint("remove overwrite, so that racing writers cannot replace each other's objects")
	case refused:
		return diag.OK(check, "the bucket keeps to x-oss-forbid-overwrite")
	case err != nil:
		return diag.Fail(check, classify(ctx, err, "putting "+s.probeKey()+" again"))
	case w.version != "":
		return diag.Fail(check, errVersioned(seen))
	}
	return diag.Fail(check, errReplaced)
}

// examineLock reports the lock of the probe object, which Put has read back.
func (s *Sink) examineLock(ctx context.Context) diag.Result {
	const check = "retention"
	if s.options.ObjectLock == nil {
		return diag.Skip(check, "object_lock is not configured")
	}
	head, err := s.head(ctx, s.probeKey())
	if err != nil {
		return diag.Fail(check, classify(ctx, err, "checking "+s.probeKey()))
	}
	locked, err := s.locked(ctx, s.probeKey(), alioss.ToTime(head.LastModified))
	if err == nil && !locked {
		err = fault.New(fault.SinkDenied, "%s is not locked", s.probeKey()).WithHint("%s", lockHint)
	}
	if err != nil {
		return diag.Fail(check, err)
	}
	return diag.OK(check, "%s is locked for %d days", s.probeKey(), s.options.ObjectLock.Days)
}
