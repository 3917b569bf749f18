package oss

import (
	"context"
	"fmt"
	"strings"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// checkBucket makes sure, before the first write, that the bucket has the retention
// policy that is configured, and no versioning. Until it is sure, each Put checks
// again, so that nothing needs a restart once that is corrected. One Put at a time
// does.
func (s *Sink) checkBucket(ctx context.Context) error {
	switch {
	case s.ignored.Load(): // each further try would replace one more
		return errReplaced
	case s.checked.Load():
		return nil
	}
	select {
	case s.checking <- struct{}{}:
	case <-ctx.Done():
		return sink.Ended(ctx)
	}
	defer func() { <-s.checking }()
	if s.checked.Load() {
		return nil
	}
	if err := s.checkWorm(ctx); err != nil {
		return err
	}
	if !s.unconditional() {
		if err := s.checkVersioning(ctx); err != nil {
			return err
		}
	}
	s.checked.Store(true)
	return nil
}

// checkVersioning makes sure that versioning is off. Where the policy does not allow
// to ask, a version that OSS gave an object tells.
func (s *Sink) checkVersioning(ctx context.Context) error {
	state, err := s.versioning(ctx)
	switch e := parseError(err); {
	case err != nil && !e.withheld():
		return classify(ctx, err, "asking for the bucket's versioning")
	case state != "":
		return errVersioned(strings.ToLower(state))
	case err != nil && s.versioned.Load():
		return errVersioned(seen)
	}
	s.versioned.Store(false)
	return nil
}

// maxProbe is the size of the largest object that is sent twice for probeForbidden,
// in bytes.
const maxProbe = 1 << 20

// probeForbidden finds out whether OSS keeps objects from being replaced, by
// repeating the write of the first small object, which must fail. If it does not,
// OSS ignores the condition; here it replaced an object with itself. Until the
// answer is known, Put looks at the key before it writes.
func (s *Sink) probeForbidden(ctx context.Context, key string, c sink.Content, sums sums) error {
	if s.unconditional() || s.enforced.Load() || c.Size > min(maxProbe, s.threshold) {
		return nil
	}
	switch _, err := s.putObject(ctx, key, c, sums.parts[0].md5); {
	case err == nil:
		s.ignored.Store(true)
		return errReplaced
	case parseError(err).exists():
		s.enforced.Store(true)
	}
	return nil // c is stored, and any other error says nothing about the condition
}

// putProbe writes the probe object, on condition that it does not exist.
func (s *Sink) putProbe(ctx context.Context) (written, error) {
	strict := &Sink{options: s.options, api: s.api, keys: s.keys, prefix: s.prefix}
	strict.options.Overwrite = overwriteForbid
	probe := sink.Probe()
	sums, err := newSums(ctx, probe, probe.Size)
	if err != nil {
		return written{}, err
	}
	return strict.putObject(ctx, s.probeKey(), probe, sums.parts[0].md5)
}

func (s *Sink) probeKey() string { return sink.ProbeKey(s.terms()) }

// versioning returns the bucket's: empty if it never had any, or Enabled or Suspended.
func (s *Sink) versioning(ctx context.Context) (string, error) {
	out, err := ask(ctx, s, func(ctx context.Context) (*alioss.GetBucketVersioningResult, error) {
		return s.api.getBucketVersioning(ctx, &alioss.GetBucketVersioningRequest{Bucket: &s.options.Bucket})
	})
	if err != nil {
		return "", err
	}
	return alioss.ToString(out.VersionStatus), nil
}

const writeOnceHint = "use a bucket in which versioning was never turned on (it can be suspended, and not turned off), or accept the weaker mode with overwrite: off (docs/storage.md)"

// seen is the state of a bucket's versioning when an object got a version.
const seen = "enabled or suspended"

// errVersioned returns the error for a bucket with versioning in that state.
func errVersioned(state string) error {
	return fault.New(fault.SinkDenied, "versioning of the bucket is %s: OSS then ignores x-oss-forbid-overwrite, which keeps objects from being replaced", state).
		WithHint("%s", writeOnceHint)
}

// errReplaced is the error for a bucket that replaced an object.
var errReplaced = fault.New(fault.SinkDenied, "the bucket ignores x-oss-forbid-overwrite, which keeps objects from being replaced").
	WithHint("%s", writeOnceHint)

// checkWorm makes sure that the bucket has the retention policy that is configured.
func (s *Sink) checkWorm(ctx context.Context) error {
	want := s.options.BucketWorm
	if want == nil {
		return nil
	}
	worm, err := s.worm(ctx)
	switch e := parseError(err); {
	case e.denied():
		return fault.New(fault.SinkDenied, "whether the bucket is locked cannot be read: OSS answered %s", e).
			WithHint("allow oss:GetBucketWorm on the bucket (docs/storage.md), or remove bucket_worm")
	case err != nil:
		return classify(ctx, err, "asking for the bucket's retention policy")
	case worm == nil:
		return want.refused("the bucket has no retention policy", "create the policy (BucketWorm) and lock it within 24 hours; it cannot be undone (docs/storage.md)")
	case !worm.locked:
		return want.refused("the bucket's retention policy is not locked yet", "lock it within 24 hours of its creation, or it lapses; it cannot be undone (docs/storage.md)")
	case worm.days < want.Days:
		return want.refused(fmt.Sprintf("the bucket's retention policy is for %d days", worm.days), fmt.Sprintf("extend the policy, which cannot be undone (docs/storage.md), or correct bucket_worm: {days: %d}", worm.days))
	}
	return nil
}

// refused returns the error for a bucket without that retention policy.
func (want *BucketWorm) refused(what, hint string) error {
	return fault.New(fault.SinkDenied, "%s: bucket_worm asks for %d days, locked", what, want.Days).WithHint("%s", hint)
}

// policy is the retention policy of a bucket.
type policy struct {
	locked bool
	days   int
}

// worm returns the bucket's retention policy, or nil.
func (s *Sink) worm(ctx context.Context) (*policy, error) {
	out, err := ask(ctx, s, func(ctx context.Context) (*alioss.GetBucketWormResult, error) {
		return s.api.getBucketWorm(ctx, &alioss.GetBucketWormRequest{Bucket: &s.options.Bucket})
	})
	switch {
	case parseError(err).noWorm():
		return nil, nil
	case err != nil:
		return nil, err
	}
	p := &policy{}
	if w := out.WormConfiguration; w != nil && w.RetentionPeriodInDays != nil {
		p.locked, p.days = w.State == alioss.BucketWormStateLocked, int(*w.RetentionPeriodInDays)
	}
	return p, nil
}
