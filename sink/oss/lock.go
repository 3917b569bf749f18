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
	"packseal.example/sink/bucket"
)

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
	if s.options.ObjectLock == nil {
		return nil
	}
	until := stored.UTC().AddDate(0, 0, s.options.ObjectLock.Days)
	if locked, err := s.locked(ctx, key, until); locked || err != nil {
		return err
	}
	_, err := ask(ctx, s, func(ctx context.Context) (*alioss.PutObjectRetentionResult, error) {
		return s.api.putObjectRetention(ctx, &alioss.PutObjectRetentionRequest{
			Bucket: &s.options.Bucket, Key: s.key(key),
			Retention: &alioss.ObjectWormRetention{Mode: alioss.Ptr(compliance), RetainUntilDate: alioss.Ptr(until.Format("2006-01-02T15:04:05.000Z"))},
		})
	})
	if err != nil {
		return s.lockRefused(ctx, key, err)
	}
	switch locked, err := s.locked(ctx, key, until); {
	case err != nil:
		return err
	case !locked:
		return fault.New(fault.SinkDenied, "%s is not locked for %d days", key, s.options.ObjectLock.Days).WithHint("%s", lockHint)
	}
	return nil
}

const lockHint = "object_lock needs a bucket with versioning and object retention (ObjectWorm), which Alibaba Cloud turns on by invitation: use another bucket, or remove object_lock"

// locked reports whether the object is locked until then.
func (s *Sink) locked(ctx context.Context, key string, until time.Time) (bool, error) {
	out, err := ask(ctx, s, func(ctx context.Context) (*alioss.GetObjectRetentionResult, error) {
		return s.api.getObjectRetention(ctx, &alioss.GetObjectRetentionRequest{Bucket: &s.options.Bucket, Key: s.key(key)})
	})
	if err != nil {
		e := parseError(err)
		if e.denied() || !e.withheld() {
			return false, s.lockRefused(ctx, key, err)
		}
		return false, nil // it has no lock, whatever the code for that is
	}
	if out.Retention == nil || alioss.ToString(out.Retention.Mode) != compliance {
		return false, nil
	}
	end, err := time.Parse(time.RFC3339, alioss.ToString(out.Retention.RetainUntilDate))
	return err == nil && !end.Before(until.Add(-bucket.ClockSkew)), nil
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
