package s3

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
	body   []byte
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		Status: http.StatusText(c.status), StatusCode: c.status, Header: http.Header{"X-Oss-Request-Id": {"R"}, "Etag": {"e"}},
		Body: io.NopCloser(bytes.NewReader(c.body)), ContentLength: int64(len(c.body)), Request: r,
	}, nil
}

// FuzzStore: whatever a store responds, each call ends, its error is classified
// and is one line without secrets, and only valid keys are listed.
func FuzzStore(f *testing.F) {
	f.Add(503, []byte("<Error><Code>SlowDown</Code></Error>"))
	o := &Options{
		Endpoint: "http://127.0.0.1:1", Region: "r", Bucket: "b", PathStyle: true,
		AccessKeyIDFile: file(f, accessKey), SecretAccessKeyFile: file(f, secretKey),
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			t.Skip("no HTTP status")
		}
		opened, err := o.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s := opened.(*Sink)
		through(s, bucket.Limit(canned{status, body}, isObject))
		_, openErr := sink.ReadAll(t.Context(), s, "k", 1<<20)
		errs := []error{openErr, s.Put(t.Context(), "k", x)}
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
			case fault.SinkUnavailable, fault.SinkDenied, fault.NotFound, fault.Damaged, fault.ClockSkew, fault.Conflict:
			default:
				t.Errorf("%v: reason %s", err, fault.Of(err))
			}
		}
	})
}
