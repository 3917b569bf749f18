// Package mirror moves an archive from a bucket of an S3 gateway to one of OSS and
// back, as docs/storage.md says: a second sink gets what is new, a copier that
// replaces nothing brings what is old, and verify compares them.
package mirror

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	osskeys "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/sink/oss/ossfake"
	"packseal.example/test/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

// store is a bucket as a foreign copier has it.
type store interface {
	keys(ctx context.Context) ([]string, error)
	get(ctx context.Context, key string) ([]byte, error)
	put(ctx context.Context, key string, b []byte) error // replaces nothing
}

// copyAll copies what the other has not, and says how much that was.
func copyAll(t *testing.T, from, to store) (n int) {
	t.Helper()
	keys, err := from.keys(t.Context())
	there, err2 := to.keys(t.Context())
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	has := strings.Join(there, "\n") + "\n"
	for _, key := range keys {
		if strings.Contains(has, key+"\n") {
			continue
		}
		b, err := from.get(t.Context(), key)
		if err == nil {
			err = to.put(t.Context(), key, b)
		}
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		n++
	}
	return n
}

// equal fails the test unless both have the same objects.
func equal(t *testing.T, a, b store) {
	t.Helper()
	keys, err := a.keys(t.Context())
	others, err2 := b.keys(t.Context())
	if err = errors.Join(err, err2); err != nil || len(keys) < 4 || fmt.Sprint(keys) != fmt.Sprint(others) {
		t.Fatalf("%v: %q, %q", err, keys, others)
	}
	for _, key := range keys {
		x, err := a.get(t.Context(), key)
		y, err2 := b.get(t.Context(), key)
		if err := errors.Join(err, err2); err != nil || !bytes.Equal(x, y) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

const (
	id     = "packsealtest"
	secret = "secret-of-the-test"
)

// TestMove: nothing is lost, nothing is replaced, and verify finds in each state what
// is missing and nothing else.
func TestMove(t *testing.T) {
	t.Parallel()
	l := lab.New(t, sim.Pack{ID: lab.Pack})
	l.Write("id", id)
	l.Write("secret", secret)
	gateway := startGateway(t)
	old, s3Sink := gateway.bucket(t, "old"), gateway.sink("s3", "old")
	oss, ossSink := startOSS(t)
	again, againSink := gateway.bucket(t, "again"), gateway.sink("again", "again")

	state := func(name string, sinks ...string) {
		l.Configure(lab.Setup{State: name, Sinks: "[" + strings.Join(sinks, ", ") + "]"})
	}
	seal := func(flags ...string) {
		t.Helper()
		if out, err := l.Run(append([]string{"seal"}, flags...)...); err != nil {
			t.Fatalf("%s%v", out, err)
		}
	}
	// verify returns the kinds of problems with their sinks, without repeats.
	verify := func() string {
		t.Helper()
		out, err := l.Run("verify")
		found := map[string]bool{}
		for line := range strings.Lines(out) {
			if words := strings.Fields(line); len(words) > 1 && words[0] == "unmirrored" {
				found[words[0]+" "+words[1]] = true
			}
		}
		if (err != nil) != (len(found) > 0) {
			t.Fatalf("%v\n%s", err, out)
		}
		return strings.Join(slices.Sorted(maps.Keys(found)), ", ")
	}

	state("first", s3Sink)
	seal() // of the year's first second
	state("second", s3Sink, ossSink)
	if got := verify(); got != "unmirrored oss" {
		t.Errorf("with the new sink: %q", got)
	}
	seal("--now") // goes to both
	if n := copyAll(t, old, oss); n < 2 {
		t.Errorf("%d objects were copied", n)
	}
	if got := verify(); got != "" {
		t.Errorf("copied: %q", got)
	}
	equal(t, old, oss)

	state("third", ossSink)
	seal("--now")
	if got := verify(); got != "" {
		t.Errorf("alone: %q", got)
	}

	state("fourth", ossSink, againSink)
	if got := verify(); got != "unmirrored again" {
		t.Errorf("on the way back: %q", got)
	}
	seal("--now")
	copyAll(t, oss, again)
	if got := verify(); got != "" {
		t.Errorf("back: %q", got)
	}
	equal(t, oss, again)
}

// startOSS runs the fake OSS, and returns its bucket and the configuration of a sink
// in it.
func startOSS(t *testing.T) (store, string) {
	t.Helper()
	fake := ossfake.New(id, secret)
	fake.AddBucket("evidence")
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	client := alioss.NewClient(alioss.LoadDefaultConfig().WithRegion(ossfake.Region).WithEndpoint(server.URL).
		WithCredentialsProvider(osskeys.NewStaticCredentialsProvider(id, secret)))
	return ossBucket{client}, fmt.Sprintf("{name: oss, oss: {endpoint: %s, region: %s, bucket: evidence, prefix: packseal, credentials: {access_key_id_file: id, access_key_secret_file: secret}}}", server.URL, ossfake.Region)
}

// prefix is that of both sinks.
const prefix = "packseal/"

type ossBucket struct{ *alioss.Client }

func (b ossBucket) keys(ctx context.Context) (all []string, err error) {
	for pages := b.NewListObjectsV2Paginator(&alioss.ListObjectsV2Request{Bucket: alioss.Ptr("evidence"), Prefix: alioss.Ptr(prefix)}); pages.HasNext(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			all = append(all, *o.Key)
		}
	}
	return all, nil
}

func (b ossBucket) get(ctx context.Context, key string) ([]byte, error) {
	out, err := b.GetObject(ctx, &alioss.GetObjectRequest{Bucket: alioss.Ptr("evidence"), Key: &key})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close() //nolint:errcheck // read only
	return io.ReadAll(out.Body)
}

func (b ossBucket) put(ctx context.Context, key string, content []byte) error {
	_, err := b.PutObject(ctx, &alioss.PutObjectRequest{Bucket: alioss.Ptr("evidence"), Key: &key, Body: bytes.NewReader(content), ForbidOverwrite: alioss.Ptr("true")})
	return err
}

// gateway is versitygw.
type gateway struct{ dir, url string }

func startGateway(t *testing.T) gateway {
	t.Helper()
	binary, err := exec.LookPath(cmp.Or(os.Getenv("PACKSEAL_VERSITYGW"), "versitygw"))
	if err != nil {
		lab.Missing(t, "%v", err)
	}
	g := gateway{dir: t.TempDir()}
	address := lab.Addresses(t, 1)[0]
	g.url = "http://" + address
	c := exec.Command(binary, "--port", address, "--quiet", "posix", g.dir)
	c.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+id, "ROOT_SECRET_KEY="+secret)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill() //nolint:errcheck // it has ended
		c.Wait()         //nolint:errcheck // killed
	})
	lab.Eventually(t, "the gateway answers", func() bool {
		conn, err := net.Dial("tcp", address)
		return err == nil && conn.Close() == nil
	})
	return g
}

// sink returns the configuration of a sink in a bucket.
func (g gateway) sink(name, bucket string) string {
	return fmt.Sprintf("{name: %s, s3: {endpoint: %s, region: us-east-1, bucket: %s, prefix: packseal, path_style: true, access_key_id_file: id, secret_access_key_file: secret}}", name, g.url, bucket)
}

// bucket creates a bucket.
func (g gateway) bucket(t *testing.T, name string) store {
	t.Helper()
	if err := os.Mkdir(filepath.Join(g.dir, name), 0o755); err != nil {
		t.Fatal(err)
	}
	return s3Bucket{name, s3.New(s3.Options{
		Region: "us-east-1", UsePathStyle: true, BaseEndpoint: &g.url,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, nil
		}),
	})}
}

type s3Bucket struct {
	name string
	*s3.Client
}

func (b s3Bucket) keys(ctx context.Context) (all []string, err error) {
	for pages := s3.NewListObjectsV2Paginator(b, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: aws.String(prefix)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			all = append(all, *o.Key)
		}
	}
	return all, nil
}

func (b s3Bucket) get(ctx context.Context, key string) ([]byte, error) {
	out, err := b.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close() //nolint:errcheck // read only
	return io.ReadAll(out.Body)
}

func (b s3Bucket) put(ctx context.Context, key string, content []byte) error {
	_, err := b.PutObject(ctx, &s3.PutObjectInput{Bucket: &b.name, Key: &key, Body: bytes.NewReader(content), IfNoneMatch: aws.String("*")})
	return err
}
