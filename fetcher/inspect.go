package fetcher

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// tailLen is the number of bytes at the end of a body that inspect needs: the end
// record of a zip with the longest comment.
const tailLen = 22 + 1<<16 - 1

// sample is what inspect needs of a body that is written to it.
type sample struct {
	size       int64
	head, tail []byte // at most sniffLen and tailLen bytes
	filled     bool   // it has more than zeros and white space
}

// Write implements [io.Writer]. It never fails.
func (s *sample) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	s.head = append(s.head, p[:min(len(p), sniffLen-len(s.head))]...)
	s.filled = s.filled || len(bytes.TrimLeft(p, "\x00 \t\r\n")) > 0
	if excess := len(s.tail) + len(p) - tailLen; excess > 0 {
		s.tail = s.tail[:copy(s.tail, s.tail[min(excess, len(s.tail)):])]
	}
	s.tail = append(s.tail, p[max(len(p)-tailLen, 0):]...)
	return len(p), nil
}

// inspect sets what a complete body is and what is odd about it, and returns an
// error if it cannot be a report. What is only odd is for people to judge.
func (d *downloader) inspect(r *Report, s *sample, body io.ReaderAt, h http.Header, link url.Values) (err error) {
	size := s.size
	if isGzip(s.head) {
		r.ContentEncoding = "gzip"
		if s, err = gunzip(io.NewSectionReader(body, 0, size), d.max); err != nil {
			return err
		}
	}
	if !s.filled && s.size >= minSize {
		return fault.New(fault.Damaged, "the body has nothing but zeros or white space, %d bytes of it", s.size)
	}
	if r.Container, err = recognize(s.head, link); err != nil {
		if r.Container != evidence.HTML || s.size <= sniffLen || !hasTable(content(body, size, r.ContentEncoding)) {
			return err
		}
	}
	if zipped(r.Container) && !endRecord(s.tail) {
		return fault.New(fault.Damaged, "the body is a zip without its end: it was cut")
	}
	encoding := contentEncoding(h)
	if r.ContentEncoding == "" && r.Container == evidence.Other {
		r.ContentEncoding = encoding
	}
	odd := map[evidence.Anomaly]bool{
		evidence.OddEncoding:  r.ContentEncoding != "" || encoding != "",
		evidence.OddType:      typeDiffers(h.Get("Content-Type"), r.Container),
		evidence.OddExtension: !fits(r.extension(), r.Container),
		evidence.OddCharset:   !binaryFormat(r.Container) && charset(s.head) != nil,
		evidence.Incomplete:   r.Container == evidence.OLE2 && !hasDirectory(s),
		evidence.Unrecognized: r.Container == evidence.Other,
	}
	r.Anomalies = nil
	for _, a := range evidence.Anomalies() {
		if odd[a] {
			r.Anomalies = append(r.Anomalies, string(a))
		}
	}
	return nil
}

// recognize returns the container format by the first bytes of a body. It returns
// an error if the body is too small for a report, or is an error page although the
// status was 200.
func recognize(head []byte, link url.Values) (evidence.Container, error) {
	if len(head) < minSize {
		return "", fault.New(fault.Damaged, "the body has only %d bytes", len(head))
	}
	c, text := sniff(head), decodeText(head)
	if !errorPage(c, text) {
		return c, nil
	}
	if e, ok := parseStoreError(text, link); ok {
		if e.expired() {
			return c, fault.New(fault.LinkExpired, "the store answered 200 with an error: %s", e)
		}
		return c, fault.New(fault.Damaged, "the store answered 200 with an error: %s", e)
	}
	return c, fault.New(fault.Damaged, "the body is an error page in %s, not a report", strings.ToUpper(string(c)))
}

// errorPage reports whether a text is an <Error> document, HTML without a table, or
// JSON that says what went wrong.
func errorPage(c evidence.Container, text []byte) bool {
	switch c {
	case evidence.HTML:
		return !bytes.Contains(bytes.ToLower(text), []byte("<table"))
	case evidence.XML:
		return bytes.HasPrefix(leading(text), []byte("<error"))
	case evidence.JSON:
		return slices.ContainsFunc(jsonKeys(text), func(key string) bool {
			switch strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(key)) {
			case "code", "errorcode", "errcode", "error", "errors", "message", "errormessage", "errmsg", "msg", "fault", "requestid", "success":
				return true
			}
			return false
		})
	}
	return false
}

// content returns a reader of what a body of that size holds, decompressed if it is
// a gzip.
func content(body io.ReaderAt, size int64, encoding string) io.Reader {
	if encoding == "gzip" {
		if z, err := gzip.NewReader(io.NewSectionReader(body, 0, size)); err == nil {
			return z
		}
	}
	return io.NewSectionReader(body, 0, size)
}

// hasTable reports whether a page has a table, in whatever charset: that of a
// spreadsheet may come after many styles.
func hasTable(page io.Reader) bool {
	const tag = "<table"
	b := bufio.NewReader(page)
	for n := 0; n < len(tag); {
		c, err := b.ReadByte()
		switch {
		case err != nil:
			return false
		case c == 0: // of UTF-16 or UTF-32
		case c == tag[n], c|0x20 == tag[n] && n > 0:
			n++
		case c == tag[0]:
			n = 1
		default:
			n = 0
		}
	}
	return true
}

// isJSON reports whether a text is JSON, as far as it goes.
func isJSON(text []byte) bool {
	if !bytes.HasPrefix(text, []byte("{")) && !bytes.HasPrefix(text, []byte("[")) {
		return false
	}
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		if _, err := d.Token(); err != nil {
			return d.InputOffset() > 1 && (err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF))
		}
	}
}

// jsonKeys returns the keys of the object that a text is, as far as it goes.
func jsonKeys(text []byte) (keys []string) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			break
		}
		keys = append(keys, fmt.Sprint(key))
		var value json.RawMessage
		if d.Decode(&value) != nil {
			break
		}
	}
	return keys
}

func isGzip(head []byte) bool { return bytes.HasPrefix(head, []byte("\x1f\x8b\x08")) }

// gunzip returns a sample of what r holds compressed, at most limit bytes. What
// follows it, if it is not compressed, is no part of it.
func gunzip(r io.Reader, limit int64) (*sample, error) {
	s, b := new(sample), bufio.NewReader(r)
	z, err := gzip.NewReader(b)
	for err == nil {
		z.Multistream(false)
		_, err = io.Copy(s, io.LimitReader(z, limit+1-s.size))
		switch {
		case s.size > limit:
			return nil, tooLarge(limit)
		case err == nil && z.Reset(b) != nil:
			return s, nil
		}
	}
	return nil, fault.Wrap(fault.Damaged, fmt.Errorf("decompressing the body after %d bytes: %w", s.size, err))
}

// contentEncoding returns what a header says of how a body is compressed, or "".
func contentEncoding(h http.Header) string {
	switch e := strings.ToLower(strings.TrimSpace(h.Get("Content-Encoding"))); e {
	case "", "identity", "aws-chunked":
		return ""
	case "gzip", "br", "deflate", "zstd", "compress":
		return e
	case "x-gzip":
		return "gzip"
	}
	return "unknown"
}

// typeDiffers reports whether a Content-Type says that a body is a page or an
// error, and it is none.
func typeDiffers(header string, c evidence.Container) bool {
	name, _, _ := strings.Cut(strings.ToLower(header), ";")
	switch strings.TrimSpace(name) {
	case "text/html", "application/xhtml+xml":
		return c != evidence.HTML
	case "application/json", "application/problem+json":
		return c != evidence.JSON
	case "text/xml", "application/xml":
		return c != evidence.XML
	}
	return false
}

// fits reports whether a container is one that files with the extension have.
func fits(ext string, c evidence.Container) bool {
	switch ext {
	case "xls":
		return c == evidence.OLE2 || c == evidence.OOXML
	case "xlsx":
		return c == evidence.OOXML
	case "zip", "csv", "xml", "html", "json":
		return string(c) == ext
	}
	return true
}

func zipped(c evidence.Container) bool { return c == evidence.Zip || c == evidence.OOXML }

func binaryFormat(c evidence.Container) bool { return zipped(c) || c == evidence.OLE2 }

// endRecord reports whether a zip that ends with tail has its end record, whose
// comment reaches to the end.
func endRecord(tail []byte) bool {
	for i := len(tail); ; {
		if i = bytes.LastIndex(tail[:i], []byte("PK\x05\x06")); i < 0 {
			return false
		}
		if end := tail[i:]; len(end) >= 22 && len(end) >= 22+int(binary.LittleEndian.Uint16(end[20:])) {
			return true
		}
	}
}

// hasDirectory reports whether a compound file (MS-CFB) has its directory and its
// sector tables within its size.
func hasDirectory(s *sample) bool {
	if len(s.head) < 512 {
		return false
	}
	shift := binary.LittleEndian.Uint16(s.head[30:])
	if shift != 9 && shift != 12 {
		return false
	}
	sectors := []uint32{binary.LittleEndian.Uint32(s.head[48:])}
	tables := min(binary.LittleEndian.Uint32(s.head[44:]), 109)
	for i := range int(tables) {
		sectors = append(sectors, binary.LittleEndian.Uint32(s.head[76+4*i:]))
	}
	return tables > 0 && !slices.ContainsFunc(sectors, func(n uint32) bool { return (int64(n)+1)<<shift >= s.size })
}
