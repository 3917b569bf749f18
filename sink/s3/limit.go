package s3

import (
	"fmt"
	"io"
	"net/http"
)

// maxResponse is the limit on response bodies other than objects, in bytes. It
// allows for a page of 1,000 keys of 1,024 bytes, each byte written as an XML
// entity.
const maxResponse = 8 << 20

// errTooLong is returned by reads beyond maxResponse.
var errTooLong = fmt.Errorf("the response is over %d bytes", maxResponse)

// limited limits the size of every response body that is not an object: the SDK
// reads listings and errors into memory. Objects are streamed.
type limited struct{ http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = stallReader{resp.Body}
	object := r.Method == http.MethodGet && r.URL.Query().Get("x-id") == "GetObject" // set by the SDK
	if !object || resp.StatusCode >= 300 {
		resp.Body = &limitReader{resp.Body, maxResponse}
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
		return n, errTooLong
	}
	return n, err
}
