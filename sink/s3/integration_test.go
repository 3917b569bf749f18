package s3

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/sinktest"
)

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func TestContract(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		for _, mode := range []string{conditionalRequired, conditionalOff} {
			o := p.bucket(t, false)
			o.MultipartThreshold, o.PartSize, o.ConditionalWrites = minPart, minPart, mode
			var n atomic.Int32
			t.Run(mode, func(t *testing.T) {
				sinktest.Run(t, func(t *testing.T) sink.Sink {
					if mode == conditionalOff && strings.HasSuffix(t.Name(), "/RaceOther") {
						t.Skip("in the weaker mode racing writers may overwrite each other")
					}
					mine := *o
					mine.Prefix = fmt.Sprintf("前缀 %d/x", n.Add(1))
					return open(t, &mine)
				})
			})
		}
	})
}

// The first small object shows that the store supports the condition.
func TestProbeConditional(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		o := p.bucket(t, false)
		s := open(t, o)
		if err := s.Put(t.Context(), "k", sink.Bytes([]byte("x"))); err != nil || s.conditional.Load() != supported {
			t.Errorf("got %v, conditional %d", err, s.conditional.Load())
		}
	})
}

// Objects are locked when they are written, in one part or several; the lock is
// read back, also if the same content is put again.
func TestObjectLock(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		o := p.bucket(t, true)
		o.ObjectLock = &ObjectLock{Mode: "COMPLIANCE", Days: 3}
		o.MultipartThreshold, o.PartSize = minPart, minPart
		s := open(t, o)
		for key, size := range map[string]int{"small": 1000, "large": minPart + 1} {
			for range 2 {
				if err := s.Put(t.Context(), key, sink.Bytes(random(size))); err != nil {
					t.Fatalf("%s: %v", key, err)
				}
			}
			out, err := s.client.GetObjectRetention(t.Context(), &s3.GetObjectRetentionInput{Bucket: &o.Bucket, Key: &key})
			if err != nil {
				t.Fatal(err)
			}
			left := time.Until(aws.ToTime(out.Retention.RetainUntilDate))
			if out.Retention.Mode != "COMPLIANCE" || left < 71*time.Hour || left > 73*time.Hour {
				t.Errorf("%s: %s, for %s", key, out.Retention.Mode, left)
			}
			head, err := s.client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &o.Bucket, Key: &key})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &o.Bucket, Key: &key, VersionId: head.VersionId}); err == nil {
				t.Errorf("%s: the locked version could be deleted", key)
			}
		}
		// An object that was put without a lock does not pass for locked.
		o.ObjectLock = nil
		if err := open(t, o).Put(t.Context(), "plain", sink.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		if err := s.Put(t.Context(), "plain", sink.Bytes([]byte("x"))); fault.Of(err) != fault.SinkDenied || fault.Hint(err) == "" {
			t.Errorf("got %v (%s), want SinkDenied with a hint", err, fault.Of(err))
		}
	})
}

// A bucket without Object Lock is detected.
func TestNoObjectLock(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		o := p.bucket(t, false)
		o.ObjectLock = &ObjectLock{Mode: "GOVERNANCE", Days: 1}
		s := open(t, o)
		for range 2 {
			if err := s.Put(t.Context(), "k", sink.Bytes([]byte("x"))); fault.Of(err) != fault.SinkDenied {
				t.Errorf("got %v (%s), want SinkDenied", err, fault.Of(err))
			}
		}
	})
}

// An object of another program has no SHA-256 in its metadata, and is read.
func TestForeignObject(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		o := p.bucket(t, false)
		s := open(t, o)
		for key, b := range map[string]string{"k": "abc", "empty": ""} {
			if _, err := s.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &o.Bucket, Key: &key, Body: strings.NewReader(b)}); err != nil {
				t.Fatal(err)
			}
			if err := s.Put(t.Context(), key, sink.Bytes([]byte(b))); err != nil {
				t.Errorf("the same bytes: %v", err)
			}
		}
		if err := s.Put(t.Context(), "k", sink.Bytes([]byte("abd"))); fault.Of(err) != fault.Conflict {
			t.Errorf("others: got %v, want Conflict", err)
		}
	})
}

func TestRefusals(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		good := p.bucket(t, false)
		unknownKey, wrongKey, noBucket := *good, *good, *good
		unknownKey.AccessKeyIDFile = file(t, "nobody")
		wrongKey.SecretAccessKeyFile = file(t, secretKey+"x")
		noBucket.Bucket = "no-such-bucket"
		for name, o := range map[string]*Options{"unknown key": &unknownKey, "wrong key": &wrongKey, "no bucket": &noBucket} {
			s := open(t, o)
			errs := map[string]error{"Put": s.Put(t.Context(), "k", sink.Bytes([]byte("x")))}
			_, errs["Open"] = s.Open(t.Context(), "k")
			for _, err := range s.List(t.Context(), "", "") {
				errs["List"] = err
			}
			for op, err := range errs {
				if fault.Of(err) != fault.SinkDenied || fault.Hint(err) == "" || errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: %s: got %v (%s), want SinkDenied with a hint", name, op, err, fault.Of(err))
				}
				noSecret(t, err)
			}
		}
	})
}

// A rotated secret takes effect with the next request.
func TestRotation(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		o := p.bucket(t, false)
		o.SecretAccessKeyFile = file(t, "old")
		s := open(t, o)
		if err := s.Put(t.Context(), "k", sink.Bytes([]byte("x"))); fault.Of(err) != fault.SinkDenied {
			t.Errorf("got %v, want SinkDenied", err)
		}
		if err := os.WriteFile(string(o.SecretAccessKeyFile), []byte(secretKey), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Put(t.Context(), "k", sink.Bytes([]byte("x"))); err != nil {
			t.Error(err)
		}
	})
}

// A multipart upload that fails is aborted.
func TestAbort(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		o := p.bucket(t, false)
		o.MultipartThreshold, o.PartSize = minPart, minPart
		s := open(t, o)
		if err := s.Put(t.Context(), "k", sink.Bytes(random(minPart*2+1))); err != nil {
			t.Fatal(err)
		}
		// As Put does if another writer stores the key after the check.
		b := random(minPart*2 + 2)
		c := sink.Bytes(b)
		parts := newPartSums(minPart)
		_, _ = parts.Write(b)
		if err := s.putParts(t.Context(), "k", c, parts.all()); !parseError(err).exists() {
			t.Errorf("got %v, want a failed condition", err)
		}
		out, err := s.client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &o.Bucket})
		if err != nil || len(out.Uploads) > 0 {
			t.Errorf("%d uploads left, %v", len(out.Uploads), err)
		}
	})
}
