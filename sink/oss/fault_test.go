package oss

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/oss/ossfake"
)

// both are content that is written in one request, and in parts.
var both = map[string]sink.Content{"small": x, "large": large}

// last is the request that stores each of them.
var last = map[string]string{"small": "PutObject", "large": "CompleteMultipartUpload"}

// TestLostAnswers: OSS stored the object and the answer was lost, on its way or in
// OSS itself.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for how, lose := range map[string]func(*ossfake.Answer){
		"reset": func(a *ossfake.Answer) { a.Lost = true },
		"500":   func(a *ossfake.Answer) { a.Status, a.Body = 500, []byte("<Error><Code>InternalError</Code></Error>") },
		"proxy": func(a *ossfake.Answer) {
			a.Status, a.Header, a.Body = 502, http.Header{}, []byte("<html>")
		},
	} {
		for name, c := range both {
			f := newFake(t)
			s := f.ready(t, inParts)
			f.after(last[name], func(_ *http.Request, a *ossfake.Answer) { lose(a) })
			if err := s.Put(t.Context(), "k", c); err != nil {
				t.Errorf("%s, %s: %v", how, name, err)
			}
		}
	}
}

// TestLostRequests: nothing was stored, or another writer's content meanwhile.
func TestLostRequests(t *testing.T) {
	t.Parallel()
	for name, c := range both {
		for there, reason := range map[string]fault.Reason{"": fault.SinkUnavailable, "y": fault.Conflict} {
			f := newFake(t)
			f.Before = func(_ http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/evidence/k" || r.Method == http.MethodHead || r.URL.Query().Has("uploads") || r.URL.Query().Has("partNumber") || r.Method == http.MethodDelete {
					return false
				}
				if there != "" {
					f.Put(evidence, "k", there)
				}
				panic(http.ErrAbortHandler)
			}
			want(t, f.ready(t, inParts).Put(t.Context(), "k", c), reason, "")
			if f.Uploads() > 0 {
				t.Errorf("%s: an upload is left", name)
			}
		}
	}
}

// TestForeignAnswers: a captive portal or a proxy answers anything with status 200, or
// refuses. Nothing passes for stored, read, listed, compared or missing by that.
func TestForeignAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
	}{
		"page": {200, "<html>log in</html>"}, "empty": {200, ""}, "listing": {200, "<ListBucketResult><Name>evidence</Name></ListBucketResult>"},
		"missing": {404, "<Error><Code>NoSuchKey</Code></Error>"}, "there": {409, "<Error><Code>FileAlreadyExists</Code></Error>"},
		"denied": {403, "<html>no"}, "JSON": {404, `{"Code": "NoSuchKey", "Headers": {"X-Oss-Request-Id": ["R"]}}`}, "down": {502, "<html>" + keySecret},
	} {
		for operation, call := range map[string]func(*Sink) error{
			"Put":       func(s *Sink) error { return s.Put(t.Context(), "k", x) },
			"large Put": func(s *Sink) error { return s.Put(t.Context(), "k", large) },
			"Open":      func(s *Sink) error { _, err := s.Open(t.Context(), "k"); return err },
			"List": func(s *Sink) error {
				for _, err := range s.List(t.Context(), "", "") {
					return err
				}
				return nil
			},
		} {
			f := newFake(t)
			foreign := false
			f.Before = func(w http.ResponseWriter, _ *http.Request) bool {
				if foreign {
					if name == "JSON" {
						w.Header().Set("Content-Type", "application/json")
					}
					w.WriteHeader(c.status)
					fmt.Fprint(w, c.body)
				}
				return foreign
			}
			s := f.ready(t, inParts)
			foreign = true
			err := call(s)
			want(t, err, fault.SinkUnavailable, "proxy")
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s, %s: %v", operation, name, err)
			}
		}
	}
}

// TestForeignHEAD: the object exists, and the proxy answers the question about it.
func TestForeignHEAD(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 404} {
		f := newFake(t)
		s := f.ready(t, nil)
		f.Put(evidence, "k", "x")
		f.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodHead {
				w.WriteHeader(status)
			}
			return r.Method == http.MethodHead
		}
		want(t, s.Put(t.Context(), "k", x), fault.SinkUnavailable, "proxy")
	}
}

// TestOtherCRC: what OSS says it has is compared, and an object that it damaged never
// passes for the content, whatever the metadata says.
func TestOtherCRC(t *testing.T) {
	t.Parallel()
	for operation, name := range map[string]string{"PutObject": "small", "UploadPart": "large", "CompleteMultipartUpload": "large"} {
		f := newFake(t)
		s := f.ready(t, inParts)
		f.after(operation, func(_ *http.Request, a *ossfake.Answer) { a.Header.Set("x-oss-hash-crc64ecma", "1234567890") })
		want(t, s.Put(t.Context(), "k", both[name]), fault.Damaged, "")
		if f.Uploads() > 0 {
			t.Errorf("%s: an upload is left", operation)
		}
		f.Do(func() { f.After = nil })
		mustPut(t, s, "k", both[name]) // it was the answer alone
	}
	for name, c := range both {
		f := newFake(t)
		s := f.ready(t, inParts)
		bad := bytes.Repeat([]byte("z"), int(c.Size))
		f.Put(evidence, name, string(bad), "x-oss-meta-sha256", hexSum(c))
		err := s.Put(t.Context(), name, c)
		want(t, err, fault.Conflict, "")
		if err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOtherHEAD: of objects of other programs, and answers that lack what OSS sends,
// the content tells.
func TestOtherHEAD(t *testing.T) {
	t.Parallel()
	for there, reason := range map[string]fault.Reason{"x": "", "y": fault.Conflict, "xx": fault.Conflict, "": fault.Conflict} {
		for without, headers := range map[string][]string{"": nil, "x-oss-hash-crc64ecma": {"x-oss-meta-sha256", hexSum(x)}, "Content-Length": nil} {
			f := newFake(t)
			s := f.ready(t, nil)
			f.Put(evidence, "k", there, headers...)
			f.after("HeadObject", func(_ *http.Request, a *ossfake.Answer) { a.Header.Del(without) })
			if err := s.Put(t.Context(), "k", x); fault.Of(err) != reason {
				t.Errorf("%q without %s: %v", there, without, err)
			}
		}
	}
	f := newFake(t)
	s := f.ready(t, nil)
	f.after("PutObject", func(_ *http.Request, a *ossfake.Answer) { a.Header.Del("x-oss-hash-crc64ecma") })
	mustPut(t, s, "k", x)
	if got := f.operations(); got != "PutObject HeadObject" {
		t.Errorf("asked %s", got)
	}
}

// TestAlteredOnTheWay: OSS compares the MD5 of what arrives.
func TestAlteredOnTheWay(t *testing.T) {
	t.Parallel()
	for name, c := range both {
		f := newFake(t)
		s := f.ready(t, inParts)
		f.Before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPut {
				io.Copy(io.Discard, r.Body) //nolint:errcheck // the client hung up
				r.Body, r.ContentLength = http.NoBody, 0
			}
			return false
		}
		want(t, s.Put(t.Context(), "k", c), fault.Damaged, "on the way")
		if f.Object(evidence, "k") != nil {
			t.Errorf("%s: it was stored", name)
		}
	}
}

// TestKnownSums: sums that are known are sent and compared, of content in one part;
// wherever one is not the content's, OSS or the sink notices.
func TestKnownSums(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := f.ready(t, inParts)
	for name, c := range both {
		c.Sums = known([]byte("x"))
		mustPut(t, s, name, c)
	}
	wrong := x
	wrong.Sums = &sink.Sums{CRC64: known([]byte("x")).CRC64}
	want(t, s.Put(t.Context(), "MD5", wrong), fault.Damaged, "on the way")
	wrong.Sums = &sink.Sums{MD5: known([]byte("x")).MD5}
	want(t, s.Put(t.Context(), "CRC-64", wrong), fault.Damaged, "")
	wrong = sink.Bytes([]byte("y"))
	wrong.SHA256 = x.SHA256
	wrong.Sums = known([]byte("y"))
	want(t, s.Put(t.Context(), "SHA-256", wrong), fault.Damaged, "")
	if f.Object(evidence, "MD5") != nil || f.Object(evidence, "SHA-256") != nil {
		t.Error("it was stored")
	}
}

// TestMissingHEAD: the answer to a HEAD may say why in a header, or not at all.
func TestMissingHEAD(t *testing.T) {
	t.Parallel()
	for _, bare := range []bool{false, true} {
		f := newFake(t)
		s := f.ready(t, func(o *Options) { o.Overwrite = overwriteOff })
		f.after("HeadObject", func(_ *http.Request, a *ossfake.Answer) {
			if bare {
				a.Header.Del("x-oss-err")
				a.Header.Del("x-oss-ec")
			}
		})
		mustPut(t, s, "k", x)
	}
}

// TestRefusalOfHEAD: a refusal that does not say why is asked for again as a read.
func TestRefusalOfHEAD(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := f.ready(t, func(o *Options) { o.Overwrite = overwriteOff })
	for _, operation := range []string{"HeadObject", "GetObject"} {
		f.reply(operation, 403, "AccessDenied", 0)
	}
	f.after("HeadObject", func(_ *http.Request, a *ossfake.Answer) { a.Header.Del("x-oss-err") })
	err := s.Put(t.Context(), "k", x)
	want(t, err, fault.SinkDenied, "oss:GetObject")
	if err == nil || !strings.Contains(err.Error(), "AccessDenied") || f.operations() != "HeadObject GetObject" {
		t.Errorf("got %v", err)
	}
}

// TestRace: the key is taken between the requests of one Put.
func TestRace(t *testing.T) {
	t.Parallel()
	for name, c := range both {
		for _, operation := range []string{"PutObject", "InitiateMultipartUpload", "CompleteMultipartUpload"} {
			f := newFake(t)
			s := f.ready(t, inParts)
			f.reply(operation, 409, "FileAlreadyExists", 1)
			err := s.Put(t.Context(), "k", c)
			if (operation == "PutObject") != (name == "small") {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			want(t, err, fault.SinkUnavailable, "") // that writer may yet fail
			f.reply(operation, 409, "FileAlreadyExists", 1)
			b := make([]byte, c.Size)
			c.ReadAt(b, 0) //nolint:errcheck // in memory
			f.Put(evidence, "k", string(b), "x-oss-meta-sha256", hexSum(c))
			mustPut(t, s, "k", c)
			if f.Uploads() > 0 {
				t.Errorf("%s of %s: an upload is left", operation, name)
			}
		}
	}
}

// TestReasons: what OSS answers, and what is said of it.
func TestReasons(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		code   string
		want   fault.Reason
		hint   string
	}{
		{403, "AccessDenied", fault.SinkDenied, "EC says"},
		{403, "InvalidAccessKeyId", fault.SinkDenied, "access key ID"},
		{403, "SignatureDoesNotMatch", fault.SinkDenied, "secret"},
		{403, "SecurityTokenExpired", fault.SinkDenied, "renew"},
		{403, "InvalidObjectState", fault.NotRestored, "archive tier"},
		{403, "RequestTimeTooSkewed", fault.ClockSkew, "clock"},
		{404, "NoSuchBucket", fault.SinkDenied, "create the bucket"},
		{301, "", fault.SinkDenied, "another region"},
		{307, "TemporaryRedirect", fault.SinkDenied, "another region"},
		{400, "InvalidDigest", fault.Damaged, "on the way"},
		{400, "InvalidArgument", fault.SinkDenied, ""},
		{404, "NoSuchUpload", fault.SinkUnavailable, ""},
		{408, "RequestTimeout", fault.SinkUnavailable, ""},
		{429, "", fault.SinkUnavailable, "throttling"},
		{503, "QpsLimitExceeded", fault.SinkUnavailable, "throttling"},
		{403, "UploadTrafficRateLimitExceeded", fault.SinkUnavailable, "throttling"},
		{500, "InternalError", fault.SinkUnavailable, ""},
		{501, "NotImplemented", fault.SinkDenied, ""},
	} {
		f := newFake(t)
		s := f.ready(t, nil)
		for _, operation := range []string{"GetObject", "PutObject", "ListObjectsV2"} {
			f.reply(operation, c.status, c.code, 0)
		}
		f.after("PutObject", func(_ *http.Request, a *ossfake.Answer) { a.Header.Set("Retry-After", "7") })
		_, err := s.Open(t.Context(), "k")
		want(t, err, c.want, c.hint)
		for _, err := range s.List(t.Context(), "", "") {
			want(t, err, c.want, c.hint)
		}
		err = s.Put(t.Context(), "k", x)
		want(t, err, c.want, c.hint)
		if fault.RetryAfter(err) != 7*time.Second {
			t.Errorf("%d %s: retry after %s", c.status, c.code, fault.RetryAfter(err))
		}
		if c.code != "" && !strings.Contains(err.Error(), c.code) || !strings.Contains(err.Error(), `EC "0000-00000000"`) {
			t.Errorf("it says %v", err)
		}
	}
}

// TestBucketGone: a bucket that does not exist is no missing object, on any call.
func TestBucketGone(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for mode, operation := range map[string]string{overwriteForbid: "GetBucketVersioning", overwriteOff: "HeadObject"} {
		s := f.open(t, func(o *Options) { o.Bucket, o.Overwrite = "no-such-bucket", mode })
		want(t, s.Put(t.Context(), "k", x), fault.SinkDenied, "create the bucket")
		if got := f.operations(); got != operation {
			t.Errorf("%s: asked %s", mode, got)
		}
		_, err := s.Open(t.Context(), "k")
		want(t, err, fault.SinkDenied, "create the bucket")
		f.Requests()
	}
}

// TestWrongRegion: OSS says that the signature is for another region, or which
// endpoint the bucket has.
func TestWrongRegion(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	want(t, f.open(t, func(o *Options) { o.Region = "cn-hangzhou" }).Put(t.Context(), "k", x), fault.SinkDenied, "another region")
	ready := f.ready(t, nil)
	f.move()
	want(t, ready.Put(t.Context(), "k", x), fault.SinkDenied, "region cn-hangzhou")
	for operation, change := range map[string]func(*Options){"GetBucketVersioning": nil, "GetBucketWorm": func(o *Options) { o.BucketWorm = &BucketWorm{Days: 1} }} {
		f.Requests()
		want(t, f.open(t, change).Put(t.Context(), "k", x), fault.SinkDenied, "region cn-hangzhou")
		if got := f.operations(); got != operation {
			t.Errorf("asked %s, and went on", got)
		}
	}
}

// move has the bucket in another region.
func (f *fake) move() {
	elsewhere := func(*http.Request) (int, ossfake.Code) {
		return 403, ossfake.Code{Code: "AccessDenied", Message: "The bucket you are attempting to access must be addressed using the specified endpoint.",
			EC: "0003-00001403", Extra: "<Endpoint>oss-cn-hangzhou.aliyuncs.com</Endpoint>"}
	}
	f.Do(func() {
		f.Errors = map[string]func(*http.Request) (int, ossfake.Code){}
		for _, operation := range []string{"GetBucketVersioning", "GetBucketWorm", "ListObjectVersions", "HeadObject", "PutObject"} {
			f.Errors[operation] = elsewhere
		}
	})
}

// TestClock: OSS takes requests from a clock that is 15 minutes off at most. Beyond
// that the difference is told.
func TestClock(t *testing.T) {
	t.Parallel()
	for off, reason := range map[time.Duration]fault.Reason{5 * time.Minute: "", 14*time.Minute + 50*time.Second: "", 16 * time.Minute: fault.ClockSkew} {
		for _, sign := range []time.Duration{1, -1} {
			f := newFake(t)
			f.Offset = sign * off
			err := f.open(t, nil).Put(t.Context(), "k", x)
			if fault.Of(err) != reason || reason != "" && !strings.Contains(fault.Hint(err), "16m0s") {
				t.Errorf("%s: %v, hint %s", sign*off, err, fault.Hint(err))
			}
		}
	}
}

// TestUnreachable: nothing answers.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	s := newFake(t).open(t, func(o *Options) { o.Endpoint = "http://127.0.0.1:1" })
	want(t, s.Put(t.Context(), "k", x), fault.SinkUnavailable, "endpoint")
	_, err := s.Open(t.Context(), "k")
	want(t, err, fault.SinkUnavailable, "endpoint")
	for _, err := range s.List(t.Context(), "", "") {
		want(t, err, fault.SinkUnavailable, "endpoint")
	}
}

// TestTruncatedRead: the connection ends in the middle of an object.
func TestTruncatedRead(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := f.ready(t, nil)
	f.Put(evidence, "k", "short")
	f.after("GetObject", func(_ *http.Request, a *ossfake.Answer) { a.Header.Set("Content-Length", "10") })
	_, err := sink.ReadAll(t.Context(), s, "k", 100)
	want(t, err, fault.SinkUnavailable, "")
}
