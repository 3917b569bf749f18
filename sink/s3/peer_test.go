package s3

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"packseal.example/internal/secret"
)

// peer is a real store, in a process of its own.
type peer struct {
	name     string
	bin      string
	endpoint string
	missing  string // why it does not run
	dir      string
	stop     func()
	buckets  atomic.Int32
}

// The peers' only user.
const (
	accessKey = "packsealtest"
	secretKey = "marked-secret-of-the-test"
)

var peers []*peer

func TestMain(m *testing.M) {
	os.Exit(withPeers(m.Run))
}

// withPeers runs the peers that are there as long as run does.
func withPeers(run func() int) int {
	gw := &peer{name: "versitygw"}
	bin := os.Getenv("PACKSEAL_VERSITYGW")
	if bin == "" {
		bin, _ = exec.LookPath("versitygw")
	}
	peers = append(peers, gw)
	gw.start(bin, "PACKSEAL_VERSITYGW", func(dir, addr string) *exec.Cmd {
		root, versions, users := filepath.Join(dir, "root"), filepath.Join(dir, "versions"), filepath.Join(dir, "users")
		_, _, _ = os.Mkdir(root, 0o700), os.Mkdir(versions, 0o700), os.Mkdir(users, 0o700)
		cmd := exec.Command(bin, "--port", addr, "--quiet", "--iam-dir", users, "posix", "--versioning-dir", versions, root)
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+accessKey, "ROOT_SECRET_KEY="+secretKey)
		return cmd
	})
	if bin := os.Getenv("PACKSEAL_MINIO"); bin != "" {
		minio := &peer{name: "minio"}
		peers = append(peers, minio)
		minio.start(bin, "PACKSEAL_MINIO", func(dir, addr string) *exec.Cmd {
			cmd := exec.Command(bin, "server", "--quiet", "--address", addr, dir)
			cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+accessKey, "MINIO_ROOT_PASSWORD="+secretKey, "MINIO_UPDATE=off", "MINIO_BROWSER=off")
			return cmd
		})
	}
	defer func() {
		for _, p := range peers {
			p.stop()
		}
	}()
	return run()
}

// start starts the peer and waits until it can be reached.
func (p *peer) start(bin, env string, command func(dir, addr string) *exec.Cmd) {
	p.bin, p.stop = bin, func() {}
	if bin == "" {
		p.missing = p.name + " is neither in PATH nor named by " + env
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.missing = err.Error()
		return
	}
	addr := l.Addr().String()
	_ = l.Close()
	if p.dir, err = os.MkdirTemp("", "packseal-s3-"); err != nil {
		p.missing = err.Error()
		return
	}
	cmd := command(p.dir, addr)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		p.missing = err.Error()
		return
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	p.stop = func() {
		_ = cmd.Process.Kill()
		<-exited
		_ = os.RemoveAll(p.dir)
	}
	p.endpoint = "http://" + addr
	if !reachable(addr, exited) {
		p.stop()
		p.stop, p.missing = func() {}, fmt.Sprintf("%s does not start: %s", p.name, output.String())
	}
}

// reachable waits for a listener.
func reachable(addr string, exited <-chan struct{}) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if c, err := net.Dial("tcp", addr); err == nil {
			return c.Close() == nil
		}
		select {
		case <-exited:
			return false
		case <-tick.C:
		}
	}
	return false
}

// eachPeer runs the test against each peer.
func eachPeer(t *testing.T, test func(*testing.T, *peer)) {
	t.Parallel()
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.need(t)
			test(t, p)
		})
	}
}

// need skips the test if the peer does not run; in CI that is a failure.
func (p *peer) need(t *testing.T) {
	t.Helper()
	switch {
	case p.missing != "" && os.Getenv("PACKSEAL_CI") != "":
		t.Fatal(p.missing)
	case p.missing != "":
		t.Skip(p.missing)
	}
}

// bucket makes a bucket, with Object Lock or without.
func (p *peer) bucket(t *testing.T, lock bool) *Options {
	t.Helper()
	o := options(t, p.endpoint, fmt.Sprintf("test-%d", p.buckets.Add(1)))
	in := &s3.CreateBucketInput{Bucket: &o.Bucket}
	if lock {
		in.ObjectLockEnabledForBucket = aws.Bool(true)
	}
	if _, err := open(t, o).client.CreateBucket(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return o
}

// options are those of a store that needs the peers' user.
func options(t *testing.T, endpoint, bucket string) *Options {
	t.Helper()
	return &Options{
		Endpoint: endpoint, Region: "us-east-1", Bucket: bucket, PathStyle: true,
		AccessKeyIDFile: file(t, accessKey), SecretAccessKeyFile: file(t, secretKey+"\n"),
	}
}

// file makes a file of a secret.
func file(t testing.TB, content string) secret.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return secret.File(name)
}

func open(t *testing.T, o *Options) *Sink {
	t.Helper()
	s, err := o.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return s.(*Sink)
}

// noSecret fails the test if the error shows what it must not.
func noSecret(t *testing.T, err error) {
	t.Helper()
	for _, s := range []string{secretKey, "Signature=", "X-Amz-"} {
		if err != nil && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), s) {
			t.Errorf("the error shows %q: %v", s, err)
		}
	}
}
