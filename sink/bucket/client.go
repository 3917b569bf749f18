package bucket

import (
	"fmt"
	"io"
	"net/http"

	"packseal.example/internal/egress"
)

// Client returns an HTTP client that times out when a transfer stalls, but has no
// timeout for a whole transfer; that trusts the certificates of a file, if any,
// besides the system's; that follows no redirect; and that limits responses as
// [Limit] does.
func Client(caFile string, object func(*http.Request) bool) (*http.Client, error) {
	transport, err := egress.New(egress.Options{CAFile: caFile, Conns: 64})
	if err != nil {
		return nil, err
	}
	transport.DialContext = dialStalling(transport.DialContext)
	transport.DisableCompression = true // lengths and sums are of the bytes as stored
	read := transport.Clone()
	read.ResponseHeaderTimeout, transport.ResponseHeaderTimeout = stallTimeout, writeTimeout
	return &http.Client{
		Transport: Limit(byMethod{read, transport}, object),
		// A request is signed for one host: a redirect means a wrong endpoint.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// MaxResponse is the limit on response bodies other than objects, in bytes. It
// allows for a page of 1,000 keys of 1,024 bytes, each byte written as an XML
// entity.
const MaxResponse = 8 << 20

// ErrTooLong is returned by reads beyond MaxResponse.
var ErrTooLong = fmt.Errorf("the response is over %d bytes", MaxResponse)

// Limit limits the size of every response body that is not an object, which object
// tells by the request: the SDKs read listings and errors into memory. Objects are
// streamed. A body whose reads stall fails.
func Limit(rt http.RoundTripper, object func(*http.Request) bool) http.RoundTripper {
	return limited{rt, object}
}

type limited struct {
	http.RoundTripper
	object func(*http.Request) bool
}

// RoundTrip implements [http.RoundTripper].
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = stallReader{resp.Body}
	if resp.StatusCode >= 300 || !l.object(r) {
		resp.Body = &limitReader{resp.Body, MaxResponse}
	}
	return resp, nil
}

// limitReader is a body that fails beyond a number of bytes.
type limitReader struct {
	io.ReadCloser
	left int64
}

// Read asks for one byte more than is allowed, to tell a body that is too long
// from one that ends at the limit.
func (l *limitReader) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.ReadCloser.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return n, ErrTooLong
	}
	return n, err
}
