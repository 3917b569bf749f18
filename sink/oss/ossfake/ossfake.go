// Package ossfake is a small Alibaba Cloud OSS for tests: V4 signatures, policies,
// write-once, multipart uploads, versions, retention of buckets and objects, and
// listings, as OSS's documentation has them. It is strict in what it takes. The
// vendor's clients for Go and Node judge it (test/clients). It shares no code with
// the sink.
package ossfake

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Region is the only one.
const Region = "cn-shanghai"

// Server is the service. Its exported fields are set before it is used; Do changes
// them later.
type Server struct {
	Offset time.Duration                                         // how far its clock is ahead of ours
	Before func(w http.ResponseWriter, r *http.Request) bool     // sees each request first, and reports whether it answered
	After  func(r *http.Request, operation string, a *Answer)    // may alter the answer to a request that was worked on
	Keys   map[string]Key                                        // by access key ID
	Names  map[string]string                                     // buckets by names of hosts that are theirs
	Errors map[string]func(r *http.Request) (status int, c Code) // answers by operation, such as "PutObject"; status 0 is none

	mu       sync.Mutex
	buckets  map[string]*Bucket
	uploads  map[string]*upload
	requests []Request
}

// Key is an access key.
type Key struct {
	Secret  string
	Token   string      // of temporary keys
	Expires time.Time   // of temporary keys, by the server's clock; zero: never
	Allow   []Statement // what it is allowed; nil: everything
}

// Request is a request as it came.
type Request struct {
	*http.Request
	Operation string // such as "PutObject"; empty if none is known
	Status    int    // of the answer
}

// Answer is what is sent.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Lost   bool // close the connection instead
}

// Code is an error of OSS.
type Code struct {
	Code, Message, EC string
	Extra             string // further elements, in XML
}

// New returns a server with one access key and no bucket.
func New(id, secret string) *Server {
	return &Server{Keys: map[string]Key{id: {Secret: secret}}, buckets: map[string]*Bucket{}, uploads: map[string]*upload{}}
}

// Do runs f while no request is worked on.
func (s *Server) Do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Requests returns the requests so far, and forgets them.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.requests
	s.requests = nil
	return all
}

// AddBucket creates a bucket.
func (s *Server) AddBucket(name string) *Bucket {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &Bucket{name: name, objects: map[string][]*Object{}}
	s.buckets[name] = b
	return b
}

// call is a request that is being worked on.
type call struct {
	*Server
	*http.Request
	bucket, key string
	answer      *Answer
	etag        string // of the body, once it is known
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.Before != nil && s.Before(w, r) {
		return
	}
	body, err := read(r)
	if err != nil {
		return // the client hung up
	}
	c := &call{Server: s, Request: r, answer: &Answer{Status: http.StatusOK, Header: http.Header{}}}
	c.bucket, c.key = s.locate(r)
	s.mu.Lock()
	c.serve(body)
	operation := c.operation()
	s.requests = append(s.requests, Request{r, operation, c.answer.Status})
	if s.After != nil {
		s.After(r, operation, c.answer)
	}
	s.mu.Unlock()
	c.answer.send(w)
}

// read returns the body of a request.
func read(r *http.Request) ([]byte, error) {
	if r.ContentLength < 0 {
		return io.ReadAll(r.Body)
	}
	b := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, b)
	return b, err
}

// serve works on the request. The caller holds mu.
func (c *call) serve(body []byte) {
	c.set("Date", c.now().Format(http.TimeFormat))
	c.set("Server", "AliyunOSS")
	c.set("x-oss-request-id", newID())
	op, ok := operations[c.operation()]
	if c.authenticate() && c.allowed() {
		b := c.buckets[c.bucket]
		switch {
		case c.bucket == "" || !ok:
			c.fail(http.StatusMethodNotAllowed, Code{Code: "MethodNotAllowed", Message: "The specified method is not allowed against this resource."})
		case b == nil:
			c.fail(http.StatusNotFound, Code{Code: "NoSuchBucket", Message: "The specified bucket does not exist.", EC: "0015-00000101", Extra: "<BucketName>" + c.bucket + "</BucketName>"})
		case !c.scripted():
			op(c, b, body)
		}
	}
}

// scripted answers as Errors says, if it does.
func (c *call) scripted() bool {
	f := c.Errors[c.operation()]
	if f == nil {
		return false
	}
	status, code := f(c.Request)
	if status != 0 {
		c.fail(status, code)
	}
	return status != 0
}

// locate returns bucket and key, of a request whose host is the bucket's, or of one
// to an address, with the bucket in the path.
func (s *Server) locate(r *http.Request) (bucket, key string) {
	host, _, _ := strings.Cut(r.Host, ":")
	path := strings.TrimPrefix(r.URL.Path, "/")
	if name, ok := s.Names[host]; ok {
		return name, path
	}
	for _, end := range []string{".localhost", ".oss-" + Region + ".aliyuncs.com", ".oss-" + Region + "-internal.aliyuncs.com"} {
		if name, ok := strings.CutSuffix(host, end); ok {
			return name, path
		}
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

func (c *call) now() time.Time { return time.Now().UTC().Add(c.Offset) }

func (c *call) set(name, value string) { c.answer.Header.Set(name, value) }

// xml answers with a document, whose head it adds.
func (c *call) xml(format string, args ...any) {
	c.set("Content-Type", "application/xml")
	c.answer.Body = fmt.Appendf([]byte(`<?xml version="1.0" encoding="UTF-8"?>`+"\n"), format, args...)
}

// send sends the answer.
func (a *Answer) send(w http.ResponseWriter) {
	if a.Lost {
		panic(http.ErrAbortHandler)
	}
	for name, values := range a.Header {
		w.Header()[name] = values
	}
	if w.Header().Get("Content-Length") == "" && a.Body != nil {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.Body)))
	}
	w.WriteHeader(a.Status)
	w.Write(a.Body) //nolint:errcheck // the client hung up
}

// newID returns a request ID, version or upload.
func newID() string {
	b := make([]byte, 12)
	rand.Read(b) //nolint:errcheck // never fails
	return strings.ToUpper(hex.EncodeToString(b))
}
