package s3

import (
	"fmt"
	"io"
	"net/http"
)

// maxAnswer bounds what the store says, in bytes. A page of 1,000 keys of
// 1,024 bytes, each written as an entity of XML, stays below it.
const maxAnswer = 8 << 20

// errLong is an answer over maxAnswer.
var errLong = fmt.Errorf("the answer is over %d bytes", maxAnswer)

// bounded bounds every answer but an object, which is never held in memory:
// the SDK reads pages and errors whole.
type bounded struct{ http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	object := r.Method == http.MethodGet && r.URL.Query().Get("x-id") == "GetObject" // as the SDK marks it
	if err == nil {
		resp.Body = heard{resp.Body}
	}
	if err == nil && (!object || resp.StatusCode >= 300) {
		resp.Body = &capped{resp.Body, maxAnswer}
	}
	return resp, err
}

// capped is a body that fails where it gets too long.
type capped struct {
	io.ReadCloser
	left int64
}

// Read reads up to a byte more than is allowed, to tell a body that ends there.
func (c *capped) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.ReadCloser.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return n, errLong
	}
	return n, err
}
