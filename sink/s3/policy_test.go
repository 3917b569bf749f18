package s3

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/sinktest"
)

// documented returns the policy that docs/storage.md gives for AWS, with that
// user and bucket.
func documented(t *testing.T, user, bucket string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/storage.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(page), "\n## AWS S3\n")
	m := regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(after)
	if m == nil {
		t.Fatal("docs/storage.md has no policy for AWS")
	}
	return strings.NewReplacer("arn:aws:iam::123456789012:role/packseal", user, "evidence", bucket).Replace(m[1])
}

// user creates a user who owns nothing and is allowed only what bucket policies
// grant.
func (p *server) user(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("user-%d", p.buckets.Add(1))
	create := exec.CommandContext(t.Context(), p.bin, "admin", "--access", accessKey, "--secret", secretKey, "--endpoint-url", p.endpoint,
		"create-user", "--access", name, "--secret", secretKey, "--role", "user")
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return name
}

// withPolicy creates a bucket with the policy and returns options for the user.
func (p *server) withPolicy(t *testing.T, user string, lock bool, change func(string) string) *Options {
	t.Helper()
	o := p.bucket(t, lock)
	policy := change(documented(t, user, o.Bucket))
	if _, err := open(t, o).client.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: &o.Bucket, Policy: &policy}); err != nil {
		t.Fatalf("%v\n%s", err, policy)
	}
	o.AccessKeyIDFile, o.Prefix = file(t, user), "packseal"
	return o
}

// The documented policy allows all that packseal does, and nothing else.
func TestDocumentedPolicy(t *testing.T) {
	t.Parallel()
	p := servers[0] // versitygw: creating users differs between servers
	p.need(t)
	user := p.user(t)
	o := p.withPolicy(t, user, false, func(policy string) string { return policy })
	t.Run("enough", func(t *testing.T) {
		var n atomic.Int32
		sinktest.Run(t, func(t *testing.T) sink.Sink {
			mine := *o
			mine.Prefix, mine.MultipartThreshold, mine.PartSize = fmt.Sprintf("packseal/%d", n.Add(1)), minPart, minPart
			return open(t, &mine)
		})
	})
	t.Run("examined", func(t *testing.T) { examined(t, o) })
	t.Run("no more", func(t *testing.T) { refusedAllElse(t, o) })
	t.Run("locked", func(t *testing.T) {
		short := p.withPolicy(t, user, true, func(policy string) string { return policy })
		short.ObjectLock = &ObjectLock{Mode: "COMPLIANCE", Days: 1}
		want(t, open(t, short).Put(t.Context(), "k", sink.Bytes([]byte("x"))), fault.SinkDenied, "PutObjectRetention")
		const last = `"s3:AbortMultipartUpload"`
		enough := p.withPolicy(t, user, true, func(policy string) string {
			return strings.Replace(policy, last, last+`, "s3:PutObjectRetention", "s3:GetObjectRetention"`, 1)
		})
		enough.ObjectLock = short.ObjectLock
		examined(t, enough)
	})
}

// examined fails the test if Examine finds anything bad.
func examined(t *testing.T, o *Options) {
	t.Helper()
	results := open(t, o).Examine(t.Context())
	for _, r := range results {
		if r.State == diag.Bad {
			t.Errorf("%s: %s", r.Check, r.Detail)
		}
	}
	if len(results) < 8 {
		t.Errorf("only %d results", len(results))
	}
}

// refusedAllElse checks that the policy allows nothing else.
func refusedAllElse(t *testing.T, o *Options) {
	s := open(t, o)
	if err := s.Put(t.Context(), "k", sink.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	for what, try := range map[string]func() error{
		"deleting": func() error {
			_, err := s.client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &o.Bucket, Key: s.key("k")})
			return err
		},
		"writing elsewhere": func() error {
			_, err := s.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &o.Bucket, Key: aws.String("other/k")})
			return err
		},
		"listing others": func() error {
			_, err := s.client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &o.Bucket, Prefix: aws.String("other/")})
			return err
		},
		"dropping the policy": func() error {
			_, err := s.client.DeleteBucketPolicy(t.Context(), &s3.DeleteBucketPolicyInput{Bucket: &o.Bucket})
			return err
		},
	} {
		if e := parseError(try()); e.code != "AccessDenied" {
			t.Errorf("%s: %d %s", what, e.status, e.code)
		}
	}
}
