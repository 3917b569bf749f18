package sim

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc64"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// beijing is the zone that object names are written in.
var beijing = time.FixedZone("UTC+8", 8*3600)

// maxSimplePut is the size up to which an object is put in one piece. Above
// it OSS knows no MD5 of the whole: the ETag is another thing then, and
// Content-MD5 is missing.
const maxSimplePut = 100 << 20

// report is a finished report, an object in the bucket. Its body is made anew
// for each download, so that thousands of reports take no memory.
type report struct {
	pack    Pack
	created time.Time

	once sync.Once
	sums sums
}

// sums are what the bucket says of an object.
type sums struct {
	size      int64
	etag, md5 string // quoted; base64, or "" for an object put in parts
	crc64     string // decimal
}

// name is the object's name, which tells its time to the minute alone.
func (r *report) name() string {
	ext := "xls"
	if r.pack.Aggregator != "" {
		ext = "zip"
	}
	return fmt.Sprintf("%s_%s_%s.%s", r.pack.AccountID, r.pack.ID, r.created.In(beijing).Format("200601021504"), ext)
}

// path is the object's path below /oss/:
//
//	[<account group>/]<pack>/<created, ms>/<name>
func (r *report) path() string {
	return r.pack.Key() + "/" + strconv.FormatInt(r.created.UnixMilli(), 10) + "/" + r.name()
}

// object returns the report that lies at the path, or nil.
func (s *Server) object(path string) *report {
	path, ok := strings.CutPrefix(path, "/oss/")
	parts := strings.Split(path, "/")
	if !ok || len(parts) < 3 {
		return nil
	}
	p := s.packs[strings.Join(parts[:len(parts)-2], "/")]
	created, err := strconv.ParseInt(parts[len(parts)-2], 10, 64)
	if p == nil || err != nil {
		return nil
	}
	if r := p.find(created); r != nil && r.path() == path {
		return r
	}
	return nil
}

// body opens the report's bytes: always the same for the same report.
func (r *report) body() (*io.SectionReader, error) {
	if r.pack.Script.Blob {
		size := int64(r.pack.Script.Size)
		return io.NewSectionReader(newBlob(r.path(), size), 0, size), nil
	}
	content, err := r.workbooks()
	if err != nil {
		return nil, fmt.Errorf("building the report: %w", err)
	}
	return io.NewSectionReader(bytes.NewReader(content), 0, int64(len(content))), nil
}

// measure returns the report's sums, which are reckoned once.
func (r *report) measure(body *io.SectionReader) (sums, error) {
	var err error
	r.once.Do(func() { r.sums, err = sum(body) })
	return r.sums, err
}

// sum reads the body through.
func sum(body *io.SectionReader) (sums, error) {
	crc, whole := crc64.New(crc64.MakeTable(crc64.ECMA)), md5.New()
	into := []io.Writer{crc}
	if body.Size() <= maxSimplePut {
		into = append(into, whole)
	}
	if _, err := io.Copy(io.MultiWriter(into...), body); err != nil {
		return sums{}, fmt.Errorf("summing the report: %w", err)
	}
	out := sums{size: body.Size(), crc64: strconv.FormatUint(crc.Sum64(), 10)}
	digest := whole.Sum(nil)
	out.etag = strings.ToUpper(hex.EncodeToString(digest))
	if len(into) > 1 {
		out.md5 = base64.StdEncoding.EncodeToString(digest)
	} else {
		out.etag += "-" + strconv.FormatInt((body.Size()+maxSimplePut-1)/maxSimplePut, 10)
	}
	out.etag = `"` + out.etag + `"`
	return out, nil
}
