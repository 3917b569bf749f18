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

// server is a real store in a process of its own.
type server struct {
	name     string
	bin      string
	endpoint string
	missing  string // why it does not run, or empty
	dir      string
	stop     func()
	buckets  atomic.Int32
}

// The only user of the servers.
const (
	accessKey = "packsealtest"
	secretKey = "marked-secret-of-the-test"
)

var servers []*server

func TestMain(m *testing.M) {
	os.Exit(withServers(m.Run))
}

// withServers runs the available servers while run runs.
func withServers(run func() int) int {
	gw := &server{name: "versitygw"}
	bin := os.Getenv("PACKSEAL_VERSITYGW")
	if bin == "" {
		bin, _ = exec.LookPath("versitygw")
	}
	servers = append(servers, gw)
	gw.start(bin, "PACKSEAL_VERSITYGW", func(dir, addr string) *exec.Cmd {
		root, versions, users := filepath.Join(dir, "root"), filepath.Join(dir, "versions"), filepath.Join(dir, "users")
		_, _, _ = os.Mkdir(root, 0o700), os.Mkdir(versions, 0o700), os.Mkdir(users, 0o700)
		cmd := exec.Command(bin, "--port", addr, "--quiet", "--iam-dir", users, "posix", "--versioning-dir", versions, root)
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+accessKey, "ROOT_SECRET_KEY="+secretKey)
		return cmd
	})
	if bin := os.Getenv("PACKSEAL_MINIO"); bin != "" {
		minio := &server{name: "minio"}
		servers = append(servers, minio)
		minio.start(bin, "PACKSEAL_MINIO", func(dir, addr string) *exec.Cmd {
			cmd := exec.Command(bin, "server", "--quiet", "--address", addr, dir)
			cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+accessKey, "MINIO_ROOT_PASSWORD="+secretKey, "MINIO_UPDATE=off", "MINIO_BROWSER=off")
			return cmd
		})
	}
	defer func() {
		for _, p := range servers {
			p.stop()
		}
	}()
	return run()
}

// start starts the server and waits until it accepts connections.
func (p *server) start(bin, env string, command func(dir, addr string) *exec.Cmd) {
	p.bin, p.stop = bin, func() {}
	if bin == "" {
		p.missing = p.name + " is neither in PATH nor set by " + env
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

// reachable waits until addr accepts connections.
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

// eachServer runs the test against each server.
func eachServer(t *testing.T, test func(*testing.T, *server)) {
	t.Parallel()
	for _, p := range servers {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.need(t)
			test(t, p)
		})
	}
}

// need skips the test if the server does not run; in CI it fails the test.
func (p *server) need(t *testing.T) {
	t.Helper()
	switch {
	case p.missing != "" && os.Getenv("PACKSEAL_CI") != "":
		t.Fatal(p.missing)
	case p.missing != "":
		t.Skip(p.missing)
	}
}

// bucket creates a bucket, with or without Object Lock.
func (p *server) bucket(t *testing.T, lock bool) *Options {
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

// options returns the options for a bucket of a store with the test user.
func options(t *testing.T, endpoint, bucket string) *Options {
	t.Helper()
	return &Options{
		Endpoint: endpoint, Region: "us-east-1", Bucket: bucket, PathStyle: true,
		AccessKeyIDFile: file(t, accessKey), SecretAccessKeyFile: file(t, secretKey+"\n"),
	}
}

// file creates a secret file.
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

// noSecret fails the test if the error contains a secret or a signature.
func noSecret(t *testing.T, err error) {
	t.Helper()
	for _, s := range []string{secretKey, "Signature=", "X-Amz-"} {
		if err != nil && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), s) {
			t.Errorf("the error shows %q: %v", s, err)
		}
	}
}
