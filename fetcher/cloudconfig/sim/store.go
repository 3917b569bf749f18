package sim

import (
	"cmp"
	"crypto/hmac"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// storeError is how the bucket refuses.
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

// storeTime is how the bucket writes a time in an error.
const storeTime = "2006-01-02T15:04:05.000Z"

// refuseLink makes an error; ec is OSS's finer code.
func refuseLink(status int, code, ec, message string) *storeError {
	return &storeError{status: status, Code: code, EC: ec, Message: message}
}

// serveObject answers a download.
func (s *Server) serveObject(w http.ResponseWriter, r *http.Request) {
	id := requestID()
	w.Header().Set("x-oss-request-id", id)
	object, refused := s.checkLink(r)
	if refused != nil {
		s.refuseDownload(w, r, id, refused)
		return
	}
	s.calls[Download].Add(1)
	p := s.packs[object.pack.Key()]
	if !s.failDownload(w, r, p, id) {
		s.send(w, r, object, p.faults.nextBody())
	}
}

// failDownload answers as the pack's script says, if it does.
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
		e := refuseLink(cmp.Or(f.Status, http.StatusForbidden), f.Code, "0099-00000001", "The simulator was told to answer "+f.Code+".")
		s.refuseDownload(w, r, id, e)
	default:
		f.page(w)
	}
	return true
}

// refuseDownload answers with the error.
func (s *Server) refuseDownload(w http.ResponseWriter, r *http.Request, id string, e *storeError) {
	s.logger.Info("refused", "request", id, "call", Download, "code", e.Code)
	e.write(w, r, id)
}

// checkLink checks the signature, then the time, then what it points to: a link
// that is forged learns nothing of its age, and one that is old nothing of the
// object.
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
	if now.After(until) || object != nil && s.packs[object.pack.Key()].isRevoked(given) {
		e := refuseLink(http.StatusForbidden, "AccessDenied", "0002-00000069", "Request has expired.")
		e.Expires, e.ServerTime = until.Format(storeTime), now.Format(storeTime)
		return nil, e
	}
	if object == nil {
		return nil, refuseLink(http.StatusNotFound, "NoSuchKey", "0026-00000001", "The specified key does not exist.")
	}
	return object, nil
}

// write answers with the error.
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
		w.Write(body) //nolint:errcheck // the caller hung up
	}
}

// describe sets an object's headers. The sums are of the whole object also in
// the answer to a part of it.
func describe(h http.Header, r *report, m sums) {
	kind := "application/vnd.ms-excel"
	if r.pack.Aggregator != "" {
		kind = "application/zip"
	}
	h.Set("Content-Type", kind)
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

// contentRange is the header of a part, from first to last.
func contentRange(first, last, size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", first, last, size)
}
