package s3

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/sinktest"
)

// TestDelete: in buckets with and without versioning nothing is left, not even a
// marker.
func TestDelete(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		sinktest.Deletes(t, open(t, p.bucket(t, false)))
		s := open(t, p.versionedBucket(t))
		sinktest.Deletes(t, s)
		for range 3 { // as another program writes
			if _, err := s.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.options.Bucket, Key: s.key("many")}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.DeleteObject(t.Context(), "many"); err != nil {
			t.Fatal(err)
		}
		out, err := s.client.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &s.options.Bucket, Prefix: s.key("many")})
		if err != nil || len(out.Versions)+len(out.DeleteMarkers) != 0 {
			t.Errorf("left: %+v, %v", out, err)
		}
	})
}

// TestLock: the lock that an object has is read back in whole seconds, keeps it from
// being deleted, and can be extended, never shortened.
func TestLock(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		for _, mode := range []string{"COMPLIANCE", "GOVERNANCE"} {
			o := p.bucket(t, true)
			o.ObjectLock = &ObjectLock{Mode: mode, Days: 3, Extend: 1}
			s := open(t, o)
			if got := s.LockTerms(); got != (sink.LockTerms{Mode: mode, Days: 3, Extend: 1}) {
				t.Errorf("terms %+v", got)
			}
			began := time.Now().Truncate(time.Second)
			if err := s.Put(t.Context(), "k", sink.Bytes([]byte("x"))); err != nil {
				t.Fatal(err)
			}
			first, err := s.Lock(t.Context(), "k")
			if err != nil || first.Mode != mode || first.Hold || first.Until.Before(began.AddDate(0, 0, 3)) || !first.Until.Equal(first.Until.Truncate(time.Second)) {
				t.Errorf("got %v, %v", first, err)
			}
			want(t, s.DeleteObject(t.Context(), "k"), fault.SinkDenied, "")
			later := first.Until.Add(48*time.Hour + time.Millisecond)
			for _, until := range []time.Time{later, first.Until, later} {
				if err := s.ExtendLock(t.Context(), "k", until); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := s.Lock(t.Context(), "k"); err != nil || got.Mode != mode || !got.Until.Equal(later.Truncate(time.Second)) {
				t.Errorf("extended to %v: got %v, %v", later, got, err)
			}
			if _, err := s.Lock(t.Context(), "none"); !errors.Is(err, sink.ErrNotExist) {
				t.Errorf("of nothing: %v", err)
			}
		}
	})
}

// TestNoLock: where the store has no lock, that is what is read.
func TestNoLock(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		for _, bucket := range []*Options{p.bucket(t, false), p.bucket(t, true)} {
			s := open(t, bucket)
			if err := s.Put(t.Context(), "k", sink.Bytes([]byte("x"))); err != nil {
				t.Fatal(err)
			}
			if l, err := s.Lock(t.Context(), "k"); err != nil || l != (sink.Lock{}) {
				t.Errorf("got %v, %v", l, err)
			}
		}
	})
}

// TestLegalHold keeps an object after its lock has ended, and without one.
func TestLegalHold(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		s := open(t, p.bucket(t, true))
		if err := s.Put(t.Context(), "k", sink.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		hold := func(status types.ObjectLockLegalHoldStatus) {
			t.Helper()
			_, err := s.client.PutObjectLegalHold(t.Context(), &s3.PutObjectLegalHoldInput{Bucket: &s.options.Bucket, Key: aws.String("k"), LegalHold: &types.ObjectLockLegalHold{Status: status}})
			if err != nil {
				t.Fatal(err)
			}
		}
		hold(types.ObjectLockLegalHoldStatusOn)
		if l, err := s.Lock(t.Context(), "k"); err != nil || l != (sink.Lock{Hold: true}) {
			t.Errorf("got %+v, %v", l, err)
		}
		want(t, s.DeleteObject(t.Context(), "k"), fault.SinkDenied, "")
		hold(types.ObjectLockLegalHoldStatusOff)
		if l, err := s.Lock(t.Context(), "k"); err != nil || l.Hold {
			t.Errorf("got %+v, %v", l, err)
		}
		if err := s.DeleteObject(t.Context(), "k"); err != nil {
			t.Error(err)
		}
	})
}

// TestPrunePolicy: the documented policy for pruning lets reports be removed, and
// nothing else.
func TestPrunePolicy(t *testing.T) {
	t.Parallel()
	p := servers[0]
	p.need(t)
	page, err := os.ReadFile("../../docs/credentials.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## A principal for pruning\n")
	m := regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(section)
	if m == nil {
		t.Fatal("docs/credentials.md has no policy for pruning")
	}
	user := p.user(t)
	var bucket string
	for what, change := range map[string]func(*Options){"without versions": nil, "with versions": func(o *Options) {
		root := *o
		root.AccessKeyIDFile = file(t, accessKey)
		_, err := open(t, &root).client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
			Bucket: &o.Bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
		})
		if err != nil {
			t.Fatal(err)
		}
	}} {
		o := p.withPolicy(t, user, false, func(policy string) string {
			bucket = regexp.MustCompile(`arn:aws:s3:::([^/"]+)`).FindStringSubmatch(policy)[1]
			prune := strings.NewReplacer("arn:aws:iam::123456789012:role/packseal-prune", user, "evidence", bucket).Replace(m[1])
			return strings.Replace(policy, `"Statement": [`, `"Statement": [`+prune+",", 1)
		})
		if change != nil {
			change(o)
		}
		s := open(t, o)
		const dir = "prod/cp-1/2026/03/20260331T180000Z/"
		for key, allowed := range map[string]bool{dir + "report-0123456789ab.xls": true, dir + "manifest.json": false, "packseal-ledger/batch/000": false} {
			if err := s.Put(t.Context(), key, sink.Bytes([]byte("x"))); err != nil {
				t.Fatal(err)
			}
			if err := s.DeleteObject(t.Context(), key); (err == nil) != allowed || !allowed && fault.Of(err) != fault.SinkDenied {
				t.Errorf("%s: removing %s: %v", what, key, err)
			}
		}
	}
}
