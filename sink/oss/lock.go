package oss

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/bucket"
)

var _ sink.Locker = (*Sink)(nil)

// terms names the retention and encryption of objects, which determine the probe
// objects: those that were written with others cannot be reused.
func (s *Sink) terms() string {
	var terms []string
	if lock := s.options.ObjectLock; lock != nil {
		terms = append(terms, fmt.Sprintf("compliance-%d", lock.Days))
	}
	if sse := s.options.SSE; sse != nil {
		terms = append(terms, "sse-"+notInTerms.ReplaceAllString(strings.ToLower(sse.Type+"-"+sse.KMSKeyID), ""))
	}
	return strings.Trim(strings.Join(terms, "-"), "-")
}

// notInTerms are what the names of probe objects do not have.
var notInTerms = regexp.MustCompile(`[^a-z0-9-]`)

// compliance is the mode of retention in which nobody can shorten it.
const compliance = "COMPLIANCE"

// lock locks the object as configured from the time it was stored, unless it is
// locked already, and reads that back.
func (s *Sink) lock(ctx context.Context, key string, stored time.Time) error {
	terms := s.LockTerms()
	if s.options.ObjectLock == nil {
		return nil
	}
	if locked, err := s.locked(ctx, key, stored); locked || err != nil {
		return err
	}
	if err := s.putRetention(ctx, key, stored.UTC().AddDate(0, 0, terms.Days)); err != nil {
		return err
	}
	switch locked, err := s.locked(ctx, key, stored); {
	case err != nil:
		return err
	case !locked:
		return fault.New(fault.SinkDenied, "%s is not locked for %d days", key, terms.Days).WithHint("%s", lockHint)
	}
	return nil
}

// locked reports whether the object is locked as configured from the time it was
// stored.
func (s *Sink) locked(ctx context.Context, key string, stored time.Time) (bool, error) {
	lock, err := s.retention(ctx, key)
	return err == nil && s.LockTerms().Fault(lock, stored, bucket.ClockSkew) == "", err
}

func (s *Sink) putRetention(ctx context.Context, key string, until time.Time) error {
	_, err := ask(ctx, s, func(ctx context.Context) (*alioss.PutObjectRetentionResult, error) {
		return s.api.putObjectRetention(ctx, &alioss.PutObjectRetentionRequest{
			Bucket: &s.options.Bucket, Key: s.key(key),
			Retention: &alioss.ObjectWormRetention{Mode: alioss.Ptr(compliance), RetainUntilDate: alioss.Ptr(until.UTC().Format("2006-01-02T15:04:05.000Z"))},
		})
	})
	if err != nil {
		return s.lockRefused(ctx, key, err)
	}
	return nil
}

const lockHint = "object_lock needs a bucket with versioning and object retention (ObjectWorm), which Alibaba Cloud turns on by invitation: use another bucket, or remove object_lock"

// retention reads the retention of an object (ObjectWorm).
func (s *Sink) retention(ctx context.Context, key string) (l sink.Lock, err error) {
	out, err := ask(ctx, s, func(ctx context.Context) (*alioss.GetObjectRetentionResult, error) {
		return s.api.getObjectRetention(ctx, &alioss.GetObjectRetentionRequest{Bucket: &s.options.Bucket, Key: s.key(key)})
	})
	if err != nil {
		e := parseError(err)
		if e.denied() || !e.withheld() {
			return l, s.lockRefused(ctx, key, err)
		}
		return l, nil // it has no lock, whatever the code for that is
	}
	if out.Retention == nil || alioss.ToString(out.Retention.Mode) == "" {
		return l, nil
	}
	until, err := time.Parse(time.RFC3339, alioss.ToString(out.Retention.RetainUntilDate))
	if err != nil {
		return l, fault.New(fault.SinkUnavailable, "the lock of %s has a date that is none: %.40q", key, alioss.ToString(out.Retention.RetainUntilDate))
	}
	return sink.Lock{Mode: alioss.ToString(out.Retention.Mode), Until: until.UTC().Truncate(time.Second)}, nil
}

// LockTerms implements [sink.Locker].
func (s *Sink) LockTerms() sink.LockTerms { return s.options.LockTerms() }

// LockTerms returns the lock that is configured.
func (o *Options) LockTerms() sink.LockTerms {
	switch {
	case o.ObjectLock != nil:
		return sink.LockTerms{Mode: compliance, Days: o.ObjectLock.Days, Extend: o.ObjectLock.Extend}
	case o.BucketWorm != nil:
		return sink.LockTerms{Mode: compliance, Days: o.BucketWorm.Days}
	}
	return sink.LockTerms{}
}

// Lock implements [sink.Locker]: that of the object, or else that which the bucket's
// policy gives it. OSS has no legal hold.
func (s *Sink) Lock(ctx context.Context, key string) (l sink.Lock, err error) {
	if err := sink.CheckKey(key); err != nil {
		return l, err
	}
	head, err := s.head(ctx, key)
	if parseError(err).notFound() {
		return l, sink.NotExist(key)
	}
	if err != nil {
		return l, classify(ctx, err, "reading the lock of "+key)
	}
	if s.options.ObjectLock != nil {
		return s.retention(ctx, key)
	}
	worm, err := s.wormNow(ctx)
	if err != nil || worm == nil || !worm.locked {
		return l, err
	}
	return sink.Lock{Mode: compliance, Until: alioss.ToTime(head.LastModified).UTC().AddDate(0, 0, worm.days).Truncate(time.Second)}, nil
}

// wormAgain is how long the bucket's retention policy is not asked for again: nobody
// can shorten one that is locked.
const wormAgain = 10 * time.Minute

// wormNow returns the bucket's retention policy as of a moment ago; nil = none. One
// that may not be read is unknown, and an error only where bucket_worm is configured:
// OSS itself keeps what is locked.
func (s *Sink) wormNow(ctx context.Context) (*policy, error) {
	if known := s.wormSeen.Load(); known != nil && time.Since(known.at) < wormAgain {
		return known.policy, nil
	}
	worm, err := s.worm(ctx)
	switch e := parseError(err); {
	case err != nil && s.options.BucketWorm == nil && e.withheld():
		worm = nil
	case err != nil:
		return nil, classify(ctx, err, "asking for the bucket's retention policy")
	}
	s.wormSeen.Store(&seenPolicy{worm, time.Now()})
	return worm, nil
}

// seenPolicy is a bucket's retention policy, and when it was read.
type seenPolicy struct {
	policy *policy
	at     time.Time
}

// ExtendLock implements [sink.Locker], of objects that have a lock of their own. It
// reads the lock back.
func (s *Sink) ExtendLock(ctx context.Context, key string, until time.Time) error {
	if s.options.ObjectLock == nil {
		return fault.New(fault.SinkDenied, "the lock of %s is the bucket's, which its owner alone extends", key)
	}
	until = until.UTC().Truncate(time.Second)
	lock, err := s.retention(ctx, key)
	if err != nil || lock.Mode != "" && !lock.Until.Before(until) {
		return err
	}
	if err := s.putRetention(ctx, key, until); err != nil {
		return err
	}
	if lock, err = s.retention(ctx, key); err == nil && lock.Until.Before(until) {
		err = fault.New(fault.SinkDenied, "the lock of %s was extended to %s, and OSS says that it ends at %s", key, until.Format(time.RFC3339), lock.Until.Format(time.RFC3339))
	}
	return err
}

// lockRefused classifies the failure of a call about the lock of an object.
func (s *Sink) lockRefused(ctx context.Context, key string, err error) error {
	switch e := parseError(err); {
	case e.denied():
		return fault.New(fault.SinkDenied, "locking %s: OSS answered %s", key, e).
			WithHint("allow oss:PutObjectRetention and oss:GetObjectRetention (docs/storage.md)")
	case e.status == http.StatusBadRequest:
		return fault.New(fault.SinkDenied, "locking %s: OSS answered %s", key, e).WithHint("%s", lockHint)
	}
	return classify(ctx, err, "locking "+key)
}
