package oss

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/oss/ossfake"
)

// examine returns the results of Examine, in brief and by check.
func examine(t *testing.T, s *Sink) (string, map[string]diag.Result) {
	t.Helper()
	var brief []string
	by := map[string]diag.Result{}
	for _, r := range sink.Examine(t.Context(), s) {
		brief = append(brief, r.Mark()+r.Check)
		by[r.Check] = r
		noSecret(t, r.Err())
		if strings.Contains(r.Detail+r.Hint, keySecret) || strings.Contains(r.Detail, keyID) || r.State == diag.Bad && r.Reason == "" {
			t.Errorf("it shows a key, or has no reason: %+v", r)
		}
	}
	return strings.Join(brief, " "), by
}

const (
	begins = "✓credentials ✓versioning "
	tries  = " ✓put ✓read-back ✓list ✓write-once "
)

// TestExamine: what doctor says of buckets, and that nothing is left but one version
// of each probe object, however often it runs.
func TestExamine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bucket  ossfake.Bucket
		options func(*Options)
		brief   string
		says    map[string]string // by check: of its detail or hint
	}{
		"good": {ossfake.Bucket{}, nil, begins + "–bucket-worm" + tries + "✓no-replace ✓listing –retention", map[string]string{"versioning": "off"}},
		"locked": {ossfake.Bucket{Worm: &ossfake.Worm{State: "Locked", Days: 1827}}, func(o *Options) { o.BucketWorm = &BucketWorm{Days: 1827} },
			begins + "✓bucket-worm" + tries + "✓no-replace ✓listing –retention", map[string]string{"bucket-worm": "locked for 1827 days"}},
		"locked, not asked for": {ossfake.Bucket{Worm: &ossfake.Worm{State: "Locked", Days: 1827}}, nil,
			begins + "✓bucket-worm" + tries + "✓no-replace ✓listing –retention", map[string]string{"bucket-worm": "set bucket_worm: {days: 1827}"}},
		"not locked": {ossfake.Bucket{Worm: &ossfake.Worm{State: "InProgress", Days: 1827}}, nil,
			begins + "✓bucket-worm" + tries + "✓no-replace ✓listing –retention", map[string]string{"bucket-worm": "not locked"}},
		"not locked, asked for": {ossfake.Bucket{Worm: &ossfake.Worm{State: "InProgress", Days: 1827}}, func(o *Options) { o.BucketWorm = &BucketWorm{Days: 1} },
			begins + "✗bucket-worm", map[string]string{"bucket-worm": "24 hours"}},
		"versioned": {ossfake.Bucket{Versioning: "Enabled"}, nil, "✓credentials ✗versioning", map[string]string{"versioning": "overwrite: off"}},
		"suspended": {ossfake.Bucket{Versioning: "Suspended"}, nil, "✓credentials ✗versioning", map[string]string{"versioning": "suspended"}},
		"versioned, accepted": {ossfake.Bucket{Versioning: "Enabled"}, func(o *Options) { o.Overwrite = overwriteOff },
			begins + "–bucket-worm" + tries + "–no-replace ✓listing –retention", map[string]string{"versioning": "enabled; deletions are noticed"}},
		"suspended, accepted": {ossfake.Bucket{Versioning: "Suspended"}, func(o *Options) { o.Overwrite = overwriteOff },
			begins + "–bucket-worm" + tries + "–no-replace ✓listing –retention", map[string]string{"versioning": "suspended; deletions are noticed"}},
		"weaker needlessly": {ossfake.Bucket{}, func(o *Options) { o.Overwrite = overwriteOff },
			begins + "–bucket-worm" + tries + "✓no-replace ✓listing –retention", map[string]string{"no-replace": "although"}},
		"object lock": {ossfake.Bucket{Versioning: "Enabled"}, locking,
			begins + "–bucket-worm" + tries + "–no-replace ✓listing ✓retention", map[string]string{"retention": "1827 days"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.bucket.Versioning, f.bucket.Worm = c.bucket.Versioning, c.bucket.Worm
			for range 3 {
				s := f.open(t, c.options)
				got, by := examine(t, s)
				if got != c.brief {
					t.Errorf("got  %s\nwant %s\n%+v", got, c.brief, by)
				}
				for check, text := range c.says {
					if r := by[check]; !strings.Contains(r.Detail+" "+r.Hint, text) {
						t.Errorf("%s: %+v, want %q", check, r, text)
					}
				}
				for _, key := range append(sink.ListingKeys(s.terms()), sink.ProbeKey(s.terms())) {
					if n := f.Versions(evidence, key); n > 1 {
						t.Errorf("%d versions of %s", n, key)
					}
				}
			}
		})
	}
}

// TestExamineEncryption: each encryption has probe objects of its own.
func TestExamineEncryption(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for range 2 {
		for _, sse := range []*SSE{nil, {Type: "AES256"}, {Type: "KMS"}, {Type: "KMS", KMSKeyID: "9468da86-3509-4f8d-a61e-6eab1eac0000"}} {
			s := f.open(t, func(o *Options) { o.SSE = sse })
			if got, by := examine(t, s); got != begins+"–bucket-worm"+tries+"✓no-replace ✓listing –retention" || !sink.IsProbe(s.probeKey()) {
				t.Errorf("%+v: %s\n%+v", sse, got, by)
			}
		}
	}
}

// TestExamineDenied: what the policy does not allow to ask is skipped, and what fails
// says why.
func TestExamineDenied(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.reply("GetBucketVersioning", 403, "AccessDenied", 0)
	f.reply("GetBucketWorm", 403, "AccessDenied", 0)
	if got, by := examine(t, f.open(t, nil)); got != "✓credentials –versioning –bucket-worm"+tries+"✓no-replace ✓listing –retention" || by["versioning"].Hint == "" {
		t.Errorf("got %s\n%+v", got, by)
	}
	f.Do(func() { f.bucket.Versioning = "Enabled" })
	if got, by := examine(t, f.open(t, nil)); got != "✓credentials –versioning –bucket-worm"+tries+"✗no-replace –retention" || by["no-replace"].Reason != fault.SinkDenied {
		t.Errorf("versioned since: got %s\n%+v", got, by)
	}
	if got, by := examine(t, f.open(t, func(o *Options) { o.Prefix = "new" })); got != "✓credentials –versioning –bucket-worm ✗put" || by["put"].Reason != fault.SinkDenied {
		t.Errorf("versioned: got %s\n%+v", got, by)
	}
	s := f.open(t, func(o *Options) { o.Overwrite = overwriteOff })
	f.reply("GetBucketVersioning", 0, "", 0)
	f.reply("ListObjectVersions", 403, "AccessDenied", 0)
	if _, by := examine(t, s); !strings.Contains(by["versioning"].Hint, "oss:ListObjectVersions") {
		t.Errorf("got %+v", by["versioning"])
	}
}

// TestExamineFails: doctor stops where nothing more can succeed.
func TestExamineFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Options)
		brief  string
		reason fault.Reason
		hint   string
	}{
		"wrong key":    {func(o *Options) { o.Credentials.AccessKeySecretFile = file(t, "wrong") }, "✓credentials ✗versioning", fault.SinkDenied, "secret"},
		"no bucket":    {func(o *Options) { o.Bucket = "nowhere" }, "✓credentials ✗versioning", fault.SinkDenied, "create the bucket"},
		"wrong region": {func(o *Options) { o.Region = "cn-beijing" }, "✓credentials ✗versioning", fault.SinkDenied, "another region"},
		"down":         {func(o *Options) { o.Endpoint = "http://127.0.0.1:1" }, "✓credentials ✗versioning", fault.SinkUnavailable, "endpoint"},
	} {
		f := newFake(t)
		o := options(t, f.url)
		c.change(o)
		opened, err := o.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got, by := examine(t, opened.(*Sink))
		last := by[strings.Fields(strings.NewReplacer("✓", "", "✗", "").Replace(c.brief))[1]]
		if got != c.brief || last.Reason != c.reason || !strings.Contains(last.Hint, c.hint) {
			t.Errorf("%s: got %s\n%+v", name, got, by)
		}
	}
	f := newFake(t)
	f.move()
	if got, by := examine(t, f.open(t, nil)); got != "✓credentials ✗versioning" || !strings.Contains(by["versioning"].Hint, "region cn-hangzhou") {
		t.Errorf("in another region: %s\n%+v", got, by)
	}
	f = newFake(t)
	var gone string
	s := f.open(t, func(o *Options) { gone = string(o.Credentials.AccessKeyIDFile) })
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	if got, by := examine(t, s); got != "✗credentials" || by["credentials"].Reason != fault.SinkDenied {
		t.Errorf("got %s\n%+v", got, by)
	}
	f.after("ListObjectsV2", func(_ *http.Request, a *ossfake.Answer) {
		a.Body = []byte(strings.Replace(string(a.Body), "<IsTruncated>true", "<IsTruncated>false", 1))
	})
	if _, by := examine(t, f.open(t, nil)); by["listing"].State != diag.Bad {
		t.Errorf("a listing that is cut off: %+v", by["listing"])
	}
}
