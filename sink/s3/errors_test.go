package s3

import (
	"net/http"
	"strings"
	"testing"

	"packseal.example/internal/fault"
)

func TestReasons(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status int
		code   string
		want   fault.Reason
	}{
		{403, "AccessDenied", fault.SinkDenied},
		{403, "InvalidAccessKeyId", fault.SinkDenied},
		{403, "SignatureDoesNotMatch", fault.SinkDenied},
		{400, "ExpiredToken", fault.SinkDenied},
		{404, "NoSuchBucket", fault.SinkDenied},
		{301, "PermanentRedirect", fault.SinkDenied},
		{307, "", fault.SinkDenied},
		{400, "EntityTooLarge", fault.SinkDenied},
		{403, "RequestTimeTooSkewed", fault.ClockSkew},
		{400, "BadDigest", fault.Damaged},
		{400, "RequestTimeout", fault.SinkUnavailable},
		{409, "OperationAborted", fault.SinkUnavailable},
		{429, "", fault.SinkUnavailable},
		{500, "InternalError", fault.SinkUnavailable},
		{502, "", fault.SinkUnavailable},
		{503, "SlowDown", fault.SinkUnavailable},
	} {
		f := newFake(t)
		f.before = func(w http.ResponseWriter, _ *http.Request) bool {
			respondError(w, tc.status, tc.code)
			return true
		}
		s := f.open(t, nil)
		_, err := s.Open(t.Context(), "k")
		want(t, err, tc.want, "")
		for _, err := range s.List(t.Context(), "", "") {
			want(t, err, tc.want, "")
		}
	}
}

// Some stores name the bucket's region with every answer: that a request is wrong
// does not mean that the region is.
func TestRegionOfBadRequest(t *testing.T) {
	t.Parallel()
	for code, hint := range map[string]string{"InvalidArgument": "", "": "region eu-west-9", "AuthorizationHeaderMalformed": "region eu-west-9"} {
		f := newFake(t)
		f.before = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("X-Amz-Bucket-Region", "eu-west-9")
			if code == "" {
				w.WriteHeader(http.StatusBadRequest)
			} else {
				respondError(w, http.StatusBadRequest, code)
			}
			return true
		}
		_, err := f.open(t, nil).Open(t.Context(), "k")
		if want(t, err, fault.SinkDenied, hint); hint == "" && strings.Contains(fault.Hint(err), "region") {
			t.Errorf("%s: hint %q", code, fault.Hint(err))
		}
	}
}

// The error page of a proxy is not shown, but its status counts.
func TestProxyErrorPage(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.before = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("<html>" + secretKey))
		return true
	}
	_, err := f.open(t, nil).Open(t.Context(), "k")
	want(t, err, fault.SinkUnavailable, "")
}
