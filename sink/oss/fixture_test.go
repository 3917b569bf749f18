package oss

import (
	"crypto/md5"
	"fmt"
	"hash/crc64"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"go.uber.org/goleak"

	"packseal.example/internal/fault"
	"packseal.example/internal/ram"
	"packseal.example/internal/ram/ramtest"
	"packseal.example/internal/secret"
	"packseal.example/sink"
	"packseal.example/sink/oss/ossfake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(ramtest.M{Tests: m}) }

// The only user of the fake.
const (
	keyID     = "LTAIpacksealtest"
	keySecret = "marked-secret-of-the-test"
)

// fake is OSS with a bucket.
type fake struct {
	*ossfake.Server
	url    string
	bucket *ossfake.Bucket
}

const evidence = "evidence"

func newFake(t testing.TB) *fake {
	f := &fake{Server: ossfake.New(keyID, keySecret)}
	f.bucket = f.AddBucket(evidence)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// open opens a sink in the fake.
func (f *fake) open(t testing.TB, change func(*Options)) *Sink {
	t.Helper()
	o := options(t, f.url)
	if change != nil {
		change(o)
	}
	s, err := o.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.(*Sink)
}

// ready opens a sink that is sure of its bucket.
func (f *fake) ready(t testing.TB, change func(*Options)) *Sink {
	t.Helper()
	s := f.open(t, change)
	if err := s.checkBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.enforced.Store(true)
	f.Requests()
	return s
}

// operations returns those of the requests so far, and forgets them.
func (f *fake) operations() string {
	var names []string
	for _, r := range f.Requests() {
		names = append(names, r.Operation)
	}
	return strings.Join(names, " ")
}

// reply has an operation answered with an error, the first n times; 0 is always.
func (f *fake) reply(operation string, status int, code string, n int) {
	left := n
	f.Do(func() {
		if f.Errors == nil {
			f.Errors = map[string]func(*http.Request) (int, ossfake.Code){}
		}
		f.Errors[operation] = func(*http.Request) (int, ossfake.Code) {
			if left--; n > 0 && left < 0 {
				return 0, ossfake.Code{}
			}
			return status, ossfake.Code{Code: code, Message: keySecret + " is what OSS quotes", EC: "0000-00000000"}
		}
	})
}

// after alters the answers to an operation.
func (f *fake) after(operation string, alter func(r *http.Request, a *ossfake.Answer)) {
	f.Do(func() {
		f.After = func(r *http.Request, name string, a *ossfake.Answer) {
			if name == operation {
				alter(r, a)
			}
		}
	})
}

// options returns the options for the bucket with the test user.
func options(t testing.TB, endpoint string) *Options {
	t.Helper()
	return &Options{
		Endpoint: endpoint, Region: ossfake.Region, Bucket: evidence,
		Credentials: &ram.Credentials{AccessKeyIDFile: file(t, keyID), AccessKeySecretFile: file(t, keySecret+"\n")},
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

// vendor returns the vendor's own client as people set it up.
func (f *fake) vendor() *alioss.Client {
	return alioss.NewClient(alioss.LoadDefaultConfig().WithRegion(ossfake.Region).WithEndpoint(f.url).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(keyID, keySecret)))
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// known returns the sums of b.
func known(b []byte) *sink.Sums {
	return &sink.Sums{MD5: md5.Sum(b), CRC64: crc64.Checksum(b, ecma)}
}

var x = sink.Bytes([]byte("x"))

// inParts makes objects of more than 100 KiB be written in parts.
func inParts(o *Options) { o.MultipartThreshold, o.PartSize = minPart, minPart }

// large is content of three parts.
var large = sink.Bytes(random(2*minPart + 7))

// want fails the test unless err has the reason and a hint that contains that
// text, and no secret.
func want(t *testing.T, err error, reason fault.Reason, hint string) {
	t.Helper()
	if fault.Of(err) != reason || !strings.Contains(fault.Hint(err), hint) {
		t.Errorf("got %v (%s, hint %q), want %s and %q", err, fault.Of(err), fault.Hint(err), reason, hint)
	}
	noSecret(t, err)
}

// noSecret fails the test if the error contains a secret, a signature or a URL, or
// has more than a line.
func noSecret(t *testing.T, err error) {
	t.Helper()
	for _, s := range []string{keySecret, "Signature=", "http://", "\n"} {
		if err != nil && strings.Contains(fmt.Sprintf("%v %+v", err, err), s) {
			t.Errorf("the error shows %q: %v", s, err)
		}
	}
}

// mustPut stores c under key.
func mustPut(t *testing.T, s *Sink, key string, c sink.Content) {
	t.Helper()
	if err := s.Put(t.Context(), key, c); err != nil {
		t.Fatalf("Put %s: %v", key, err)
	}
}
