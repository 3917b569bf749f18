package oss

import (
	"bytes"
	"fmt"
	"mime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/sinktest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{overwriteForbid, overwriteOff} {
		f := newFake(t)
		if mode == overwriteOff {
			f.bucket.Versioning = "Enabled"
		}
		var n atomic.Int32
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			sinktest.Run(t, func(t *testing.T) sink.Sink {
				if mode == overwriteOff && strings.HasSuffix(t.Name(), "/RaceOther") {
					t.Skip("in the weaker mode racing writers may replace each other's objects")
				}
				return f.open(t, func(o *Options) {
					o.Prefix = fmt.Sprintf("前缀 %s/%d", mode, n.Add(1))
					o.MultipartThreshold, o.PartSize = 5<<20, 5<<20
					o.Overwrite = mode
				})
			})
		})
	}
}

// TestWriters: of 64 that write other content under one key at once, one wins.
func TestWriters(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for name, change := range map[string]func(*Options){"one part": nil, "several": inParts} {
		s, won := f.open(t, change), make([]error, 64)
		start := make(chan struct{})
		var all sync.WaitGroup
		content := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 2*minPart) }
		for i := range won {
			all.Go(func() {
				<-start
				won[i] = s.Put(t.Context(), name, sink.Bytes(content(i)))
			})
		}
		close(start)
		all.Wait()
		winners := 0
		for i, err := range won {
			switch {
			case err != nil:
				want(t, err, fault.Conflict, "")
			case !bytes.Equal(f.Object(evidence, name).Data, content(i)):
				t.Errorf("%s: %d won, and another one's content is there", name, i)
			default:
				winners++
			}
		}
		if winners != 1 || f.Uploads() > 0 {
			t.Errorf("%s: %d won, %d uploads are left", name, winners, f.Uploads())
		}
	}
}

// A small Put is one request; the first one of all makes sure of the bucket as well.
func TestRequests(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := f.open(t, nil)
	mustPut(t, s, "a", x)
	if got := f.operations(); got != "GetBucketVersioning HeadObject PutObject PutObject" {
		t.Errorf("the first: %s", got)
	}
	mustPut(t, s, "b", x)
	if got := f.operations(); got != "PutObject" {
		t.Errorf("the second: %s", got)
	}
	mustPut(t, f.ready(t, inParts), "c", large)
	if got := f.operations(); got != "InitiateMultipartUpload UploadPart UploadPart UploadPart CompleteMultipartUpload HeadObject" {
		t.Errorf("in parts: %s", got)
	}
}

// What people see of an object, in one part and in several.
func TestAbout(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := f.open(t, inParts)
	for key, content := range map[string]sink.Content{"small": x, "large": large} {
		const name = "2026-03-31 等保 三级+100' (cp-1).xls"
		content.About = sink.About{Type: "application/vnd.ms-excel", Name: name, Facts: map[string]string{"pack": "ca-1/cp-1", "name": name + "\r\n x"}}
		mustPut(t, s, key, content)
		head, err := f.vendor().HeadObject(t.Context(), &alioss.HeadObjectRequest{Bucket: alioss.Ptr(evidence), Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		_, params, err := mime.ParseMediaType(alioss.ToString(head.ContentDisposition))
		shown, err2 := new(mime.WordDecoder).DecodeHeader(head.Metadata["name"])
		if err != nil || err2 != nil || params["filename"] != name || shown != name+" x" || alioss.ToString(head.ContentType) != content.About.Type ||
			head.Metadata["pack"] != "ca-1/cp-1" || head.Metadata["sha256"] != hexSum(content) || len(head.Metadata) != 3 {
			t.Errorf("%s: %+v, %v, %v", key, head, err, err2)
		}
	}
}

// Encryption is asked for, and read back.
func TestEncryption(t *testing.T) {
	t.Parallel()
	for _, sse := range []SSE{{Type: "AES256"}, {Type: "SM4"}, {Type: "KMS"}, {Type: "KMS", KMSKeyID: "9468da86-3509-4f8d-a61e-6eab1eac0000"}} {
		f := newFake(t)
		encrypting := func(o *Options) { inParts(o); o.SSE = &sse }
		s := f.open(t, encrypting)
		for key, content := range map[string]sink.Content{"small": x, "large": large} {
			mustPut(t, s, key, content)
			h := f.Object(evidence, key).Header
			if h.Get("x-oss-server-side-encryption") != sse.Type || h.Get("x-oss-server-side-encryption-key-id") != sse.KMSKeyID {
				t.Errorf("%+v: %s has %v", sse, key, h)
			}
		}
		f.Put(evidence, "plain", "x", "x-oss-meta-sha256", hexSum(x))
		want(t, s.Put(t.Context(), "plain", x), fault.SinkDenied, "sse")
		if sse.KMSKeyID != "" {
			f.Put(evidence, "other key", "x", "x-oss-meta-sha256", hexSum(x), "x-oss-server-side-encryption", sse.Type, "x-oss-server-side-encryption-key-id", "another")
			want(t, s.Put(t.Context(), "other key", x), fault.SinkDenied, "sse")
		}
		f.Do(func() { f.bucket.Plain = true })
		want(t, s.Put(t.Context(), "ignored", x), fault.SinkDenied, "sse")
	}
}
