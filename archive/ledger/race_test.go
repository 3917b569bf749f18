package ledger_test

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/local"
	"packseal.example/sink/s3"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, child(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// races has replicas append at once, each with a state folder of its own, and checks
// that nothing is lost, doubled or forked.
func races(t *testing.T, open1 func() sink.Sink, replicas, rounds int) {
	t.Helper()
	k := newKey(t, origin)
	var all sync.WaitGroup
	logged := make([][]tree.Entry, replicas)
	for i := range replicas {
		r := open(t, k.file, t.TempDir(), open1())
		all.Go(func() {
			for round := range rounds {
				for n := range 3 {
					logged[i] = append(logged[i], r.log(fmt.Sprintf("r%dx%dx", i, round), n))
				}
				if err := r.Commit(context.Background()); err != nil {
					t.Errorf("replica %d: %v", i, err)
					return
				}
				r.has()
			}
		})
	}
	all.Wait()
	var want []tree.Entry
	for _, entries := range logged {
		want = append(want, entries...)
	}
	s := open1()
	got, head := replay(t, s, k.verifier)
	sameEntries(t, got, want)
	r := open(t, k.file, t.TempDir(), s)
	r.commit()
	if r.has(); r.Status().Checkpoint != head.Checkpoint() {
		t.Errorf("a fresh replica is at %v, not %v", r.Status().Checkpoint, head.Checkpoint())
	}
}

func TestRaces(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 8} {
		t.Run(fmt.Sprint(n, " in memory"), func(t *testing.T) {
			t.Parallel()
			s := sink.NewMemory()
			races(t, func() sink.Sink { return s }, n, 10)
		})
		t.Run(fmt.Sprint(n, " on a disk"), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			races(t, func() sink.Sink { return openLocal(t, dir) }, n, 6)
		})
		t.Run(fmt.Sprint(n, " on versitygw"), func(t *testing.T) {
			t.Parallel()
			b := newBucket(t)
			races(t, func() sink.Sink { return b.open(t) }, n, 5)
		})
		if bin := os.Getenv("PACKSEAL_MINIO"); bin != "" {
			t.Run(fmt.Sprint(n, " on minio"), func(t *testing.T) {
				t.Parallel()
				b := serve(t, func(dir, addr string) *exec.Cmd {
					cmd := exec.Command(bin, "server", "--quiet", "--address", addr, dir)
					cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+id, "MINIO_ROOT_PASSWORD="+secretKey, "MINIO_UPDATE=off", "MINIO_BROWSER=off")
					return cmd
				})
				races(t, func() sink.Sink { return b.open(t) }, n, 5)
			})
		}
	}
}

func openLocal(t testing.TB, dir string) sink.Sink {
	t.Helper()
	s, err := (&local.Options{Dir: dir}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDeleteMarker: the last batch was deleted in a bucket that keeps versions:
// nothing is written in its place, whoever asks.
func TestDeleteMarker(t *testing.T) {
	t.Parallel()
	b, k := newBucket(t), newKey(t, origin)
	r := open(t, k.file, t.TempDir(), b.open(t))
	r.append("a", 0, 2)
	behind := open(t, k.file, t.TempDir(), b.open(t))
	behind.commit()
	r.append("b", 0, 2)
	bucket, key := "evidence", tree.BatchKey(1)
	if _, err := b.client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil {
		t.Fatal(err)
	}
	r.refuses(ledger.RolledBack)
	behind.refuses(ledger.RolledBack) // its checkpoint tells
	key = tree.CheckpointKey(1)
	if _, err := b.client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil {
		t.Fatal(err)
	}
	fresh := open(t, k.file, t.TempDir(), b.open(t))
	for _, r := range []*replica{behind, fresh} {
		r.log("c", 0)
		r.refuses(ledger.RolledBack)
	}
}

// bucket is one with versions, of a real gateway.
type bucket struct {
	client  *awss3.Client
	options s3.Options
}

// newBucket starts a gateway.
func newBucket(t *testing.T) *bucket {
	t.Helper()
	binary, err := exec.LookPath(cmp.Or(os.Getenv("PACKSEAL_VERSITYGW"), "versitygw"))
	if err != nil {
		if os.Getenv("PACKSEAL_CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return serve(t, func(dir, addr string) *exec.Cmd {
		for _, name := range []string{"root", "versions"} {
			if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(binary, "--port", addr, "--quiet", "posix", "--versioning-dir", filepath.Join(dir, "versions"), filepath.Join(dir, "root"))
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+id, "ROOT_SECRET_KEY="+secretKey)
		return cmd
	})
}

// The credentials of what serve starts.
const id, secretKey = "packsealtest", "secret-of-the-test"

// serve starts an S3 server, and makes a bucket with versions.
func serve(t *testing.T, command func(dir, addr string) *exec.Cmd) *bucket {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	server := command(t.TempDir(), addr)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	c, err := awsconfig.LoadDefaultConfig(t.Context(), awsconfig.WithRegion("us-east-1"), awsconfig.WithCredentialsProvider(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: secretKey}, nil
	})), awsconfig.WithRetryMaxAttempts(1))
	if err != nil {
		t.Fatal(err)
	}
	b := &bucket{
		client:  awss3.NewFromConfig(c, func(o *awss3.Options) { o.UsePathStyle, o.BaseEndpoint = true, aws.String("http://"+addr) }),
		options: s3.Options{Endpoint: "http://" + addr, Region: "us-east-1", Bucket: "evidence", PathStyle: true, AccessKeyIDFile: keyFile(t, id), SecretAccessKeyFile: keyFile(t, secretKey)},
	}
	var last error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, last = b.client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &b.options.Bucket}); last == nil {
			break
		}
	}
	_, err = b.client.PutBucketVersioning(t.Context(), &awss3.PutBucketVersioningInput{Bucket: &b.options.Bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	if last != nil || err != nil {
		t.Fatal(last, err)
	}
	return b
}

// open returns the bucket as a replica has it.
func (b *bucket) open(t testing.TB) sink.Sink {
	t.Helper()
	s, err := b.options.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return sink.Retrying(s, fault.Backoff{}, 4)
}
