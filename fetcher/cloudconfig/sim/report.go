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

// beijing is the time zone of object names.
var beijing = time.FixedZone("UTC+8", 8*3600)

// maxSimplePut is the size up to which an object is put in a single request, in
// bytes. Larger ones are put in parts: they have no Content-MD5, and another kind
// of ETag.
const maxSimplePut = 100 << 20

// report is an object in the bucket. Its body is generated for each download, so
// that reports take no memory.
type report struct {
	pack    Pack
	id      string    // "crp-…" or "crtr-…"; empty if reports of the pack have none
	token   string    // of the request, or empty
	status  string    // FAILED, TIMEOUT or COMPLETE
	began   time.Time // when it was requested
	created time.Time // when it was ready; zero until then

	once sync.Once
	sums sums
}

// sums are size and checksums of an object.
type sums struct {
	size      int64
	etag, md5 string // quoted; base64, or "" for an object put in parts
	crc64     string // decimal
}

// name returns the object's name, which has the creation time to the minute.
func (r *report) name() string {
	ext := "xls"
	switch {
	case r.pack.ID == inventory:
		ext = "csv"
	case r.pack.Aggregator != "", r.pack.ID == allRules:
		ext = "zip"
	}
	return fmt.Sprintf("%s_%s_%s.%s", r.pack.AccountID, r.pack.ID, r.created.In(beijing).Format("200601021504"), ext)
}

// path returns the object's path below /oss/:
//
//	[<account group>/]<pack>/<created, ms>/<name>
func (r *report) path() string {
	return r.pack.Key() + "/" + strconv.FormatInt(r.created.UnixMilli(), 10) + "/" + r.name()
}

// body opens the content, which is always the same for a report.
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

// measure returns the sums, which are computed once.
func (r *report) measure(body *io.SectionReader) (sums, error) {
	var err error
	r.once.Do(func() { r.sums, err = sum(body) })
	return r.sums, err
}

// sum computes the sums of a body.
func sum(body *io.SectionReader) (sums, error) {
	crc, whole := crc64.New(crc64.MakeTable(crc64.ECMA)), md5.New()
	into := []io.Writer{crc}
	if body.Size() <= maxSimplePut {
		into = append(into, whole)
	}
	if _, err := io.Copy(io.MultiWriter(into...), body); err != nil {
		return sums{}, fmt.Errorf("computing the checksums: %w", err)
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
