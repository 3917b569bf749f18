package s3

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// A store that rejects the headers of checksums is written to without them, with
// Content-MD5 if there is a lock.
func TestSumsRejected(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content sink.Content
		lock    *ObjectLock
	}{
		"small":            {x, nil},
		"in parts":         {sink.Bytes(random(6 << 20)), nil},
		"locked":           {x, &ObjectLock{Mode: "COMPLIANCE", Days: 1}},
		"locked, in parts": {sink.Bytes(random(6 << 20)), &ObjectLock{Mode: "COMPLIANCE", Days: 1}},
	} {
		f := newFake(t)
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			for key := range r.Header {
				if strings.HasPrefix(key, "X-Amz-Checksum") && r.Method != http.MethodHead && r.Method != http.MethodGet {
					respondError(w, 400, "InvalidArgument")
					return true
				}
			}
			if r.URL.Query().Has("partNumber") {
				_, _ = io.Copy(io.Discard, r.Body) // else the connection is reset
			}
			switch {
			case r.URL.Query().Has("uploads"):
				fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
			case r.URL.Query().Has("partNumber") && c.lock != nil && r.Header.Get("Content-Md5") == "":
				respondError(w, 400, "InvalidRequest")
			case r.URL.Query().Has("partNumber"):
				w.Header().Set("Etag", `"p"`)
			case r.URL.Query().Has("uploadId"):
				f.mu.Lock()
				f.objects[r.URL.Path] = stored{data: string(random(6 << 20)), header: http.Header{}}
				f.mu.Unlock()
				fmt.Fprint(w, "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")
			case r.URL.Query().Has("retention"):
				fmt.Fprintf(w, "<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>%s</RetainUntilDate></Retention>", time.Now().AddDate(0, 0, 2).UTC().Format(time.RFC3339))
			case c.lock != nil && r.Method == http.MethodPut && r.Header.Get("Content-Md5") == "":
				respondError(w, 400, "InvalidRequest")
			default:
				return false
			}
			return true
		}
		s := f.open(t, func(o *Options) { o.MultipartThreshold, o.ObjectLock = 5<<20, c.lock })
		if err := s.Put(t.Context(), "k", c.content); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Put(t.Context(), sink.ProbeKey(s.probeTerms()), sink.Probe()); err != nil {
			t.Errorf("%s: the probe: %v", name, err)
		}
		if r := s.checkNoReplace(t.Context(), sink.ProbeKey(s.probeTerms()), false); r.State != diag.Good {
			t.Errorf("%s: doctor says %+v", name, r)
		}
		n := len(f.requests)
		if err := s.Put(t.Context(), "l", c.content); err != nil {
			t.Errorf("%s, again: %v", name, err)
		}
		for _, r := range f.requests[n:] {
			if r.Header.Get("X-Amz-Checksum-Sha256") != "" {
				t.Errorf("%s: %s still has a checksum", name, r.Method)
			}
		}
	}
}

// Whether it is the condition that a store rejects is tried before it is said, and
// what the store itself says is shown.
func TestRejectedForAnotherReason(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.before = onPut(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, "<Error><Code>InvalidArgument</Code><Message>Keys must have a\ntenant, see https://store.example/?Signature=abc</Message></Error>")
	})
	err := f.open(t, nil).Put(t.Context(), "k", x)
	want(t, err, fault.SinkDenied, "")
	if strings.Contains(fault.Hint(err), "conditional_writes") || !strings.Contains(err.Error(), "400 InvalidArgument: Keys must have atenant, see … (request") {
		t.Errorf("got %v, hint %q", err, fault.Hint(err))
	}
}

// What is wrong with one write is not blamed on the condition or on the checksums of
// all: others go on, with both.
func TestRejectedAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content sink.Content
		rejects func(r *http.Request) bool
		status  int
		code    string
	}{
		"a file name": {sink.Content{ReaderAt: x.ReaderAt, Size: x.Size, SHA256: x.SHA256, About: sink.About{Name: "x.xls"}},
			func(r *http.Request) bool { return r.Header.Get("Content-Disposition") != "" }, 400, "InvalidArgument"},
		"parts": {sink.Bytes(random(6 << 20)), func(r *http.Request) bool { return r.URL.Query().Has("uploads") }, 501, "NotImplemented"},
	} {
		f := newFake(t)
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			if c.rejects(r) {
				respondError(w, c.status, c.code)
				return true
			}
			return false
		}
		s := f.open(t, func(o *Options) { o.MultipartThreshold = 5 << 20 })
		err := s.Put(t.Context(), "k", c.content)
		if want(t, err, fault.SinkDenied, ""); strings.Contains(fault.Hint(err)+err.Error(), "If-None-Match") || !strings.Contains(err.Error(), c.code) {
			t.Errorf("%s: %v, hint %q", name, err, fault.Hint(err))
		}
		if err := s.Put(t.Context(), "l", x); err != nil {
			t.Errorf("%s: another: %v", name, err)
		}
		if h := f.objects["/b/l"].header; h.Get("X-Amz-Checksum-Sha256") == "" || h.Get("If-None-Match") != "*" {
			t.Errorf("%s: another is written with %v", name, h)
		}
	}
}

// A refusal of HEAD says nothing; a request with a body is made to know why.
func TestRefusalOfHead(t *testing.T) {
	t.Parallel()
	for code, c := range map[string]struct {
		status int
		header http.Header
		want   fault.Reason
		hint   string
	}{
		"InvalidAccessKeyId":    {403, nil, fault.SinkDenied, "does not know the access key"},
		"SignatureDoesNotMatch": {403, nil, fault.SinkDenied, "secret access key"},
		"RequestTimeTooSkewed":  {403, http.Header{"Date": {time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)}}, fault.ClockSkew, "by 1h0m0s"},
		"PermanentRedirect":     {301, http.Header{"X-Amz-Bucket-Region": {"eu-west-9"}}, fault.SinkDenied, "region eu-west-9"},
		"":                      {301, http.Header{"X-Amz-Bucket-Region": {"eu-west-9"}}, fault.SinkDenied, "region eu-west-9"},
		"Forbidden":             {403, http.Header{"Date": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}}, fault.ClockSkew, "correct the local clock"},
		"AccessDenied":          {403, nil, fault.SinkDenied, "allowed PutObject"},
		"MovedPermanently":      {301, nil, fault.SinkDenied, "follow no redirect"},
	} {
		f := newFake(t)
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			for k, v := range c.header {
				w.Header()[k] = v
			}
			if r.Method == http.MethodHead || code == "" {
				w.WriteHeader(c.status)
			} else {
				respondError(w, c.status, code)
			}
			return true
		}
		want(t, f.open(t, nil).Put(t.Context(), "k", x), c.want, c.hint)
	}
}
