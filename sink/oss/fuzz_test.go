package oss

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/bucket"
)

// canned returns the same response to every request.
type canned struct {
	status int
	header string
	body   []byte
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		Status: http.StatusText(c.status), StatusCode: c.status, Header: http.Header{"X-Oss-Request-Id": {"R"}, "X-Oss-Err": {c.header}, "X-Oss-Hash-Crc64ecma": {c.header}, "Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(c.body)), ContentLength: int64(len(c.body)), Request: r,
	}, nil
}

// FuzzStore: whatever OSS responds, each call ends, its error is classified and is
// one line without secrets, and only valid keys are listed.
func FuzzStore(f *testing.F) {
	f.Add(503, "", []byte("<Error><Code>SlowDown</Code></Error>"))
	f.Add(404, "PEVycm9yPjxDb2RlPk5vU3VjaEtleTwvQ29kZT48L0Vycm9yPg==", []byte(nil))
	f.Add(200, "1", []byte("<ListBucketResult><Name>b</Name><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>"))
	f.Add(403, "", []byte("<Error><Code>AccessDenied</Code><Message>a\nb</Message><Endpoint>oss-cn-x.aliyuncs.com</Endpoint></Error>"))
	o := options(f, "http://127.0.0.1:1")
	f.Fuzz(func(t *testing.T, status int, header string, body []byte) {
		if status < 200 || status > 599 {
			t.Skip("no HTTP status")
		}
		opened, err := o.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s := opened.(*Sink)
		s.api = newAPI(o.client(&http.Client{Transport: bucket.Limit(canned{status, header, body}, isObject)}, s.keys))
		_, openErr := sink.ReadAll(t.Context(), s, "k", 1<<20)
		errs := []error{openErr, s.Put(t.Context(), "k", x)}
		s.checked.Store(true)
		errs = append(errs, s.Put(t.Context(), "k", x))
		n := 0
		for e, err := range s.List(t.Context(), "", "") {
			if errs = append(errs, err); err == nil && sink.CheckKey(e.Key) != nil {
				t.Errorf("listed %q", e.Key)
			}
			if n++; n > 100 { // a listing may claim to be truncated forever
				break
			}
		}
		for _, err := range errs {
			if err == nil {
				continue
			}
			noSecret(t, err)
			if message := err.Error(); len(message) > 2000 || strings.ContainsFunc(message, unicode.IsControl) {
				t.Errorf("said %q", message)
			}
			switch fault.Of(err) {
			case fault.SinkUnavailable, fault.SinkDenied, fault.NotFound, fault.Damaged, fault.ClockSkew, fault.Conflict, fault.NotRestored:
			default:
				t.Errorf("%v: reason %s", err, fault.Of(err))
			}
		}
	})
}
