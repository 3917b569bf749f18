package sim

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// storeError is an error of the bucket.
type storeError struct {
	XMLName    xml.Name `xml:"Error"`
	status     int
	Code       string
	Message    string
	RequestId  string
	HostId     string
	Expires    string `xml:",omitempty"`
	ServerTime string `xml:",omitempty"`
	EC         string
}

// storeTime is the time format in errors of the bucket.
const storeTime = "2006-01-02T15:04:05.000Z"

// refuseLink returns an error; ec is the more specific code of OSS.
func refuseLink(status int, code, ec, message string) *storeError {
	return &storeError{status: status, Code: code, EC: ec, Message: message}
}

// serveObject serves a download.
func (s *Server) serveObject(w http.ResponseWriter, r *http.Request) {
	id := requestID()
	w.Header().Set("x-oss-request-id", id)
	object, refused := s.checkLink(r)
	if refused != nil {
		s.refuseDownload(w, r, id, refused)
		return
	}
	s.calls[Download].Add(1)
	p := s.pack(object.pack.Key())
	if !s.failDownload(w, r, p, id) {
		s.send(w, r, object, p.faults.nextBody())
	}
}

// failDownload responds with a failure of the script, if there is one.
func (s *Server) failDownload(w http.ResponseWriter, r *http.Request, p *pack, id string) bool {
	f, ok := p.faults.next(Download)
	if !ok {
		return false
	}
	wait(r.Context(), f.Delay)
	switch {
	case f.silent():
		panic(http.ErrAbortHandler)
	case f.Code != "":
		e := refuseLink(cmp.Or(f.Status, http.StatusForbidden), f.Code, "0099-00000001", "Scripted failure: "+f.Code+".")
		s.refuseDownload(w, r, id, e)
	default:
		f.page(w)
	}
	return true
}

// refuseDownload responds with the error and logs it.
func (s *Server) refuseDownload(w http.ResponseWriter, r *http.Request, id string, e *storeError) {
	s.logger.Info("request refused", "request", id, "call", Download, "code", e.Code)
	e.write(w, r, id)
}

// checkLink checks first the signature of a link, then its expiry, and then the
// object, so that an invalid link reveals nothing about the object.
func (s *Server) checkLink(r *http.Request) (*report, *storeError) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	form, ok := formOf(q)
	until, dated := form.expiry(q)
	if err != nil || !ok || !dated {
		return nil, refuseLink(http.StatusForbidden, "AccessDenied", "0003-00000001", "You have no right to access this object because of bucket acl.")
	}
	given := q.Get(form.parameter("signature"))
	q.Del(form.parameter("signature"))
	expected := s.bucket.sign(form, signedRequest{method: r.Method, host: r.Host, path: r.URL.Path, query: q, header: r.Header})
	if !hmac.Equal([]byte(given), []byte(expected)) {
		return nil, refuseLink(http.StatusForbidden, "SignatureDoesNotMatch", "0002-00000040", "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	}
	object := s.object(r.URL.Path)
	now := s.now().UTC()
	if now.After(until) || object != nil && s.pack(object.pack.Key()).isRevoked(given) {
		e := refuseLink(http.StatusForbidden, "AccessDenied", "0002-00000069", "Request has expired.")
		e.Expires, e.ServerTime = until.Format(storeTime), now.Format(storeTime)
		return nil, e
	}
	if object == nil {
		return nil, refuseLink(http.StatusNotFound, "NoSuchKey", "0026-00000001", "The specified key does not exist.")
	}
	return object, nil
}

// write responds with the error.
func (e *storeError) write(w http.ResponseWriter, r *http.Request, id string) {
	e.RequestId, e.HostId = id, r.Host
	body, err := xml.MarshalIndent(e, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	body = append([]byte(xml.Header), body...)
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("x-oss-ec", e.EC)
	w.WriteHeader(e.status)
	if r.Method != http.MethodHead {
		w.Write(body) //nolint:errcheck // the client has gone
	}
}

// describe sets the headers of an object. The checksums are those of the whole
// object, even in a partial response.
func describe(h http.Header, r *report, m sums) {
	h.Set("Content-Type", map[string]string{
		".xls": "application/vnd.ms-excel", ".zip": "application/zip", ".csv": "text/csv",
	}[path.Ext(r.name())])
	h.Set("ETag", m.etag)
	h.Set("Last-Modified", r.created.Truncate(time.Second).Format(http.TimeFormat))
	h.Set("Accept-Ranges", "bytes")
	h.Set("x-oss-object-type", "Normal")
	h.Set("x-oss-storage-class", "Standard")
	h.Set("x-oss-hash-crc64ecma", m.crc64)
	if m.md5 != "" {
		h.Set("Content-MD5", m.md5)
	}
}

// contentRange returns the header of a partial response.
func contentRange(first, last, size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", first, last, size)
}

// object returns the report at that path, or nil.
func (s *Server) object(at string) *report {
	at, ok := strings.CutPrefix(at, "/oss/")
	parts := strings.Split(at, "/")
	if !ok || len(parts) < 3 {
		return nil
	}
	p := s.pack(strings.Join(parts[:len(parts)-2], "/"))
	created, err := strconv.ParseInt(parts[len(parts)-2], 10, 64)
	if p == nil || err != nil {
		return nil
	}
	if r := p.find(created); r != nil && r.path() == at {
		return r
	}
	return nil
}

// link returns a new link to the report, in the form of the script.
func (s *Server) link(q *request, p *pack, r *report) string {
	base := s.base(q.r)
	target := signedRequest{method: http.MethodGet, host: base.Host, path: "/oss/" + r.path(), query: url.Values{}}
	now := q.now.UTC()
	s.bucket.addParams(target.query, p.Script.Link, now, p.Script.LinkLife)
	sum := s.bucket.sign(p.Script.Link, target)
	target.query.Set(p.Script.Link.parameter("signature"), sum)
	p.addLink(sum)
	base.Path, base.RawQuery = strings.TrimSuffix(base.Path, "/")+target.path, target.query.Encode()
	return base.String()
}

// base returns the prefix of links.
func (s *Server) base(r *http.Request) *url.URL {
	if s.opt.PublicURL != "" {
		if u, err := url.Parse(s.opt.PublicURL); err == nil {
			return u
		}
	}
	u := &url.URL{Scheme: "http", Host: r.Host}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	return u
}

// The pages in place of a report.
const (
	errorPage = `<?xml version="1.0" encoding="UTF-8"?>` + "\n<Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message><EC>0001-00000001</EC></Error>"
	htmlPage  = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
)

// send responds with the object or a part of it, subject to the fault.
func (s *Server) send(w http.ResponseWriter, r *http.Request, object *report, fault BodyFault) {
	if s.sendOther(w, r, fault) {
		return
	}
	body, err := object.body()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	m, err := object.measure(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if match := r.Header.Get("If-Match"); match != "" && match != m.etag {
		s.refuseDownload(w, r, w.Header().Get("x-oss-request-id"), refuseLink(http.StatusPreconditionFailed,
			"PreconditionFailed", "0049-00000001", "At least one of the pre-conditions you specified did not hold."))
		return
	}
	describe(w.Header(), object, m)
	status, first, last := http.StatusOK, int64(0), m.size-1
	if a, b, ok := parseRange(r.Header.Get("Range"), m.size); ok {
		status, first, last = http.StatusPartialContent, a, b
		w.Header().Set("Content-Range", contentRange(a, b, m.size))
	}
	part := io.NewSectionReader(body, first, last-first+1)
	s.logger.Info("request served", "request", w.Header().Get("x-oss-request-id"), "call", Download, "pack", object.pack.Key(), "status", status, "bytes", part.Size())
	transmit(w, r, status, part, fault)
}

// sendOther responds with what the fault puts in place of the object, if anything.
func (s *Server) sendOther(w http.ResponseWriter, r *http.Request, fault BodyFault) bool {
	page, kind := "", "text/html"
	switch fault.Kind {
	case BodyRedirect:
		http.Redirect(w, r, fault.URL, http.StatusFound)
		return true
	case BodyErrorPage:
		page, kind = errorPage, "application/xml"
	case BodyHTML:
		page = htmlPage
	default:
		return false
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(page)))
	io.WriteString(w, page) //nolint:errcheck // the client has gone
	return true
}

// transmit sends the part with the fault, as described at [BodyKind]. To HTTP, the
// responses of short, long and altered are complete: only the checksums in the
// header, which are those of the correct object, tell them from a report.
func transmit(w http.ResponseWriter, r *http.Request, status int, part *io.SectionReader, fault BodyFault) {
	size, half := part.Size(), part.Size()/2
	lengths := map[BodyKind]int64{BodyEmpty: 0, BodyShort: half, BodyLong: size + 16}
	length, ok := lengths[fault.Kind]
	if !ok {
		length = size
	}
	w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	w.WriteHeader(status)
	switch fault.Kind {
	case BodyEmpty:
	case BodyShort, BodyShortTrue:
		io.CopyN(w, part, half) //nolint:errcheck
	case BodyLong:
		io.Copy(w, io.MultiReader(part, bytes.NewReader(make([]byte, 16)))) //nolint:errcheck
	case BodyAltered:
		io.Copy(w, io.MultiReader(io.NewSectionReader(part, 0, half), altered(part, half), io.NewSectionReader(part, half+1, size))) //nolint:errcheck
	case BodyCut, BodyStall:
		io.CopyN(w, part, half)               //nolint:errcheck
		http.NewResponseController(w).Flush() //nolint:errcheck
		if fault.Kind == BodyStall {
			<-r.Context().Done()
		}
		panic(http.ErrAbortHandler)
	case BodyDrip:
		for i := range int64(10) {
			wait(r.Context(), fault.Pause)
			io.Copy(w, io.NewSectionReader(part, size*i/10, size*(i+1)/10-size*i/10)) //nolint:errcheck
			http.NewResponseController(w).Flush()                                     //nolint:errcheck
		}
	default:
		io.Copy(w, part) //nolint:errcheck
	}
}

// altered returns the byte at off with one bit flipped.
func altered(from io.ReaderAt, off int64) io.Reader {
	b := make([]byte, 1)
	from.ReadAt(b, off) //nolint:errcheck // within the part
	b[0] ^= 1
	return bytes.NewReader(b)
}

// parseRange parses a Range header with a single range within the object. Like OSS,
// it ignores others.
func parseRange(header string, size int64) (first, last int64, ok bool) {
	from, to, ok := strings.Cut(strings.TrimPrefix(header, "bytes="), "-")
	if !ok || !strings.HasPrefix(header, "bytes=") {
		return 0, 0, false
	}
	number := func(s string, def int64) int64 {
		if s == "" {
			return def
		}
		n, err := strconv.ParseUint(s, 10, 62)
		if err != nil {
			return -1
		}
		return int64(n)
	}
	if from == "" {
		n := number(to, -1)
		return size - n, size - 1, n > 0 && n <= size
	}
	first, last = number(from, -1), number(to, size-1)
	return first, last, first >= 0 && first <= last && last < size
}
