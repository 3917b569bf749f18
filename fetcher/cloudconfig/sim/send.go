package sim

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// The pages that come instead of a report.
const (
	errorPage = `<?xml version="1.0" encoding="UTF-8"?>` + "\n<Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message><EC>0001-00000001</EC></Error>"
	htmlPage  = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
)

// send answers with the object, or a part of it, and what is wrong with it.
func (s *Server) send(w http.ResponseWriter, r *http.Request, object *report, fault BodyFault) {
	if s.instead(w, r, fault) {
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
	s.logger.Info("answered", "request", w.Header().Get("x-oss-request-id"), "call", Download, "pack", object.pack.Key(), "status", status, "bytes", part.Size())
	transmit(w, r, status, part, fault)
}

// instead answers with something else than the object.
func (s *Server) instead(w http.ResponseWriter, r *http.Request, fault BodyFault) bool {
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
	io.WriteString(w, page) //nolint:errcheck // the caller hung up
	return true
}

// transmit sends the part with its fault. A caller that hung up is no error.
//
//	empty        length 0, no body
//	short        half the length, half the body: a whole answer, by HTTP
//	short true   the true length, and half the body
//	long         sixteen bytes more than the object, and the length of that
//	altered      one bit turned in the middle
//	cut, stall   half of it, then the connection is gone, or silent
//	drip         a tenth at a time, with pauses
//
// Only the sums tell short, long and altered from a report, which is why they
// are sent along and are those of the true object.
func transmit(w http.ResponseWriter, r *http.Request, status int, part *io.SectionReader, fault BodyFault) {
	size, half := part.Size(), part.Size()/2
	announced := map[BodyKind]int64{BodyEmpty: 0, BodyShort: half, BodyLong: size + 16}
	length, ok := announced[fault.Kind]
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

// altered returns the one byte at off with a bit turned.
func altered(from io.ReaderAt, off int64) io.Reader {
	b := make([]byte, 1)
	from.ReadAt(b, off) //nolint:errcheck // inside the part
	b[0] ^= 1
	return bytes.NewReader(b)
}

// parseRange reads a Range header of one range that lies inside the object.
// OSS ignores every other one and answers with the whole object.
func parseRange(header string, size int64) (first, last int64, ok bool) {
	from, to, ok := strings.Cut(strings.TrimPrefix(header, "bytes="), "-")
	if !ok || !strings.HasPrefix(header, "bytes=") {
		return 0, 0, false
	}
	number := func(s string, otherwise int64) int64 {
		if s == "" {
			return otherwise
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
