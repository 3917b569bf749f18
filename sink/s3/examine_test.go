package s3

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
	"packseal.example/sink"
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
		if strings.Contains(r.Detail+r.Hint, secretKey) || strings.Contains(r.Detail, accessKey) {
			t.Errorf("it shows a key: %+v", r)
		}
	}
	return strings.Join(brief, " "), by
}

// good is the result for a store that supports everything.
const good = "✓credentials ✓versioning ✓object-lock ✓put ✓read-back ✓list ✓write-once ✓no-replace ✓listing ✓retention"

// Examine leaves its probe objects in one version each, however often it runs.
func TestExamine(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		for _, mode := range []string{conditionalRequired, conditionalOff} {
			o := p.bucket(t, true)
			o.Prefix, o.ConditionalWrites = "x", mode
			want := strings.Replace(good, "✓retention", "–retention", 1)
			if mode == conditionalOff {
				want = strings.Replace(want, "✓no-replace", "–no-replace", 1)
			}
			for range 3 {
				if got, by := examine(t, open(t, o)); got != want {
					t.Errorf("%s: got %s\n%+v", mode, got, by)
				}
			}
			out, err := open(t, o).client.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &o.Bucket})
			if err != nil || len(out.Versions) != 4 {
				t.Fatalf("%s: %d versions, %v", mode, len(out.Versions), err)
			}
			for _, v := range out.Versions {
				if key := strings.TrimPrefix(*v.Key, "x/"); !sink.IsProbe(key) {
					t.Errorf("%s: %s is no probe", mode, key)
				}
			}
		}
	})
}

// The lock is read back. Each configured lock has a probe of its own.
func TestExamineLock(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		o := p.bucket(t, true)
		examine(t, open(t, o))
		for _, lock := range []*ObjectLock{{Mode: "GOVERNANCE", Days: 1}, {Mode: "COMPLIANCE", Days: 2}} {
			o.ObjectLock = lock
			for range 2 {
				got, by := examine(t, open(t, o))
				if got != good || !strings.Contains(by["retention"].Detail, lock.Mode) {
					t.Errorf("got %s\n%+v", got, by)
				}
			}
		}
		out, err := open(t, o).client.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &o.Bucket})
		if err != nil || len(out.Versions) != 3*4 {
			t.Errorf("%d versions, %v", len(out.Versions), err)
		}
	})
}

// Object Lock that the bucket does not support, and a weaker mode that the
// bucket does not need.
func TestExamineNoLock(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		o := p.bucket(t, false)
		o.ConditionalWrites = conditionalOff
		_, by := examine(t, open(t, o))
		if r := by["object-lock"]; r.State != diag.Skipped {
			t.Errorf("got %+v", r)
		}
		if r := by["no-replace"]; r.State != diag.Good || !strings.Contains(r.Detail, "supports If-None-Match, although") {
			t.Errorf("got %+v", r)
		}
		o.ConditionalWrites, o.ObjectLock = "", &ObjectLock{Mode: "GOVERNANCE", Days: 1}
		_, by = examine(t, open(t, o))
		if r := by["object-lock"]; r.Reason != fault.SinkDenied || r.Hint == "" {
			t.Errorf("got %+v", r)
		}
		if r := by["put"]; r.Reason != fault.SinkDenied {
			t.Errorf("got %+v", r)
		}
	})
}

// A probe that was written before encryption was asked for says nothing about it.
func TestExamineEncryption(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	examine(t, f.open(t, nil))
	for _, plain := range []bool{false, true} {
		f.plain = plain
		for _, kind := range []string{"AES256", "aws:kms"} {
			s := f.open(t, func(o *Options) { o.SSE = &SSE{Type: kind} })
			if !sink.IsProbe(sink.ProbeKey(s.probeTerms())) {
				t.Errorf("%s: the probe is no probe", kind)
			}
			for range 2 {
				if _, by := examine(t, s); (by["put"].State == diag.Good) == plain {
					t.Errorf("%s, ignored: %t: %+v", kind, plain, by["put"])
				}
			}
		}
	}
}

// What a store answers to a question of the bucket is told, and no more is made of it.
func TestExamineAnswers(t *testing.T) {
	t.Parallel()
	for status, says := range map[int]string{
		501: "this store does not offer it: it answered 501 Strange", 405: "does not offer it",
		403: "policy does not allow", 404: "not known: the store answered 404 Strange", 301: "not known",
	} {
		f := newFake(t)
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			if !r.URL.Query().Has("versioning") {
				return false
			}
			respondError(w, status, "Strange")
			return true
		}
		if r, _ := f.open(t, nil).checkVersioning(t.Context()); r.State != diag.Skipped || !strings.Contains(r.Detail, says) {
			t.Errorf("%d: %+v", status, r)
		}
	}
}

// The default retention of the bucket is reported.
func TestExamineDefaultRetention(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		o := p.bucket(t, true)
		days := int32(7)
		_, err := open(t, o).client.PutObjectLockConfiguration(t.Context(), &s3.PutObjectLockConfigurationInput{Bucket: &o.Bucket,
			ObjectLockConfiguration: &types.ObjectLockConfiguration{ObjectLockEnabled: types.ObjectLockEnabledEnabled,
				Rule: &types.ObjectLockRule{DefaultRetention: &types.DefaultRetention{Mode: types.ObjectLockRetentionModeGovernance, Days: &days}}}})
		if err != nil {
			t.Fatal(err)
		}
		if r := open(t, o).checkObjectLock(t.Context()); r.State != diag.Good || !strings.Contains(r.Detail, "GOVERNANCE for 7 days") {
			t.Errorf("got %+v", r)
		}
	})
}

// Wrong and missing credentials are reported.
func TestExamineCredentials(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		o := p.bucket(t, false)
		o.SecretAccessKeyFile = file(t, "wrong")
		_, by := examine(t, open(t, o))
		if r := by["put"]; r.Reason != fault.SinkDenied || r.Hint == "" {
			t.Errorf("got %+v", r)
		}
	})
	o := options(t, "http://127.0.0.1:1", "b")
	s := open(t, o)
	if r := s.checkCredentials(t.Context()); r.State != diag.Good || !strings.Contains(r.Detail, "pa… from files") {
		t.Errorf("got %+v", r)
	}
	if got, by := examine(t, s); got != "✓credentials ✗versioning" || by["versioning"].Reason != fault.SinkUnavailable {
		t.Errorf("got %s\n%+v", got, by)
	}
	if err := os.Remove(string(o.AccessKeyIDFile)); err != nil {
		t.Fatal(err)
	}
	if got, by := examine(t, s); got != "✗credentials" || by["credentials"].Reason != fault.SinkDenied {
		t.Errorf("got %s\n%+v", got, by)
	}
}

// Stores that ignore the condition or do not support queries of the bucket.
func TestExamineOthers(t *testing.T) {
	t.Parallel()
	noQueries := func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Has("versioning") {
			respondError(w, http.StatusNotImplemented, "NotImplemented")
			return true
		}
		if r.URL.Query().Has("object-lock") {
			respondError(w, http.StatusForbidden, "AccessDenied")
			return true
		}
		return false
	}
	for name, c := range map[string]struct {
		ignores, off bool
		brief, says  string
	}{
		"supports":             {false, false, "✓no-replace ✓listing –retention", ""},
		"ignores":              {true, false, "✗no-replace –retention", "ignores If-None-Match"},
		"ignores, accepted":    {true, true, "✓no-replace ✓listing –retention", "accepts the weaker mode"},
		"supports, needlessly": {false, true, "✓no-replace ✓listing –retention", "although conditional_writes is off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.before, f.ignores = noQueries, c.ignores
			f.objects["/b/"+sink.ProbeKey("")] = probeObject()
			s := f.open(t, func(o *Options) {
				if c.off {
					o.ConditionalWrites = conditionalOff
				}
			})
			got, by := examine(t, s)
			if !strings.Contains(by["versioning"].Detail, "does not offer it") || !strings.Contains(by["object-lock"].Detail, "policy does not allow") {
				t.Errorf("got %+v", by)
			}
			if want := "✓credentials –versioning –object-lock ✓put ✓read-back ✓list ✓write-once " + c.brief; got != want || !strings.Contains(by["no-replace"].Detail, c.says) {
				t.Errorf("got  %s\nwant %s\n%+v", got, want, by)
			}
			if o := f.objects["/b/"+sink.ProbeKey("")]; o.data != probeObject().data {
				t.Errorf("the probe became %q", o.data)
			}
		})
	}
}

// probeObject is the probe as left by an earlier run.
func probeObject() stored {
	b := make([]byte, sink.Probe().Size)
	sink.Probe().ReadAt(b, 0) //nolint:errcheck // in memory
	return stored{data: string(b), header: http.Header{"X-Amz-Meta-Sha256": {sum(sink.Probe().SHA256).hex()}}}
}

func TestCheckOSS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options Options
		brief   string
	}{
		"another store": {Options{Endpoint: "https://s3.example.com", PathStyle: true, ObjectLock: &ObjectLock{}}, ""},
		"AWS":           {Options{}, ""},
		"good":          {Options{Endpoint: "https://s3.oss-cn-shanghai.aliyuncs.com"}, "✓"},
		"path style":    {Options{Endpoint: "https://s3.oss-cn-shanghai.aliyuncs.com", PathStyle: true}, "✗"},
		"both":          {Options{Endpoint: "https://oss-cn-shanghai.ALIYUNCS.com", PathStyle: true, ObjectLock: &ObjectLock{}}, "✗✗"},
		"a lookalike":   {Options{Endpoint: "https://notaliyuncs.com", PathStyle: true}, ""},
	} {
		got := ""
		for _, r := range checkOSS(&c.options) {
			got += r.Mark()
			if r.State == diag.Bad && (r.Reason != fault.SinkDenied || r.Hint == "") {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if got != c.brief {
			t.Errorf("%s: got %q, want %q", name, got, c.brief)
		}
	}
}
