package ossfake

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash/crc64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var ecma = crc64.MakeTable(crc64.ECMA)

func crc(b []byte) string { return strconv.FormatUint(crc64.Checksum(b, ecma), 10) }

func etag(b []byte) string {
	sum := md5.Sum(b)
	return `"` + strings.ToUpper(hex.EncodeToString(sum[:])) + `"`
}

// tag is etag of the request's body, reckoned once.
func (c *call) tag(body []byte) string {
	if c.etag == "" {
		c.etag = etag(body)
	}
	return c.etag
}

// digested checks the body against Content-MD5, and answers if it is another.
func (c *call) digested(body []byte) bool {
	want := c.Header.Get("Content-Md5")
	if sum, err := base64.StdEncoding.DecodeString(want); want != "" && (err != nil || `"`+strings.ToUpper(hex.EncodeToString(sum))+`"` != c.tag(body)) {
		c.fail(http.StatusBadRequest, Code{Code: "InvalidDigest", Message: "The Content-MD5 you specified is not valid."})
		return false
	}
	return true
}

// writable checks that the key may be written, by its name, the request's
// x-oss-forbid-overwrite, which counts in a bucket without versioning alone, and
// the bucket's retention policy; it answers if not.
func (c *call) writable(b *Bucket) bool {
	forbid := c.Header.Get("x-oss-forbid-overwrite")
	switch {
	case len(c.key) > 1023 || !utf8.ValidString(c.key) || strings.HasPrefix(c.key, "/") || strings.HasPrefix(c.key, "\\"):
		c.fail(http.StatusBadRequest, Code{Code: "InvalidObjectName", Message: "The specified object is not valid."})
	case !slices.Contains([]string{"", "true", "false"}, forbid):
		c.fail(http.StatusBadRequest, invalid)
	case forbid == "true" && b.Versioning == "" && b.Latest(c.key) != nil:
		c.fail(http.StatusConflict, exists)
	case b.Versioning == "" && b.frozen(c.key, c.now()):
		c.fail(http.StatusConflict, immutable)
	default:
		return true
	}
	return false
}

// kept returns the headers that are kept with an object, and false if they are
// wrong, which it answers.
func (c *call) kept(b *Bucket) (http.Header, bool) {
	kept := http.Header{}
	for name, values := range c.Header {
		low := strings.ToLower(name)
		if strings.HasPrefix(low, "x-oss-meta-") || low == "content-type" || low == "content-disposition" ||
			strings.HasPrefix(low, "x-oss-server-side-encryption") && !b.Plain {
			kept[name] = values
		}
	}
	sse, key := c.Header.Get("x-oss-server-side-encryption"), c.Header.Get("x-oss-server-side-encryption-key-id")
	if !slices.Contains([]string{"", "AES256", "KMS", "SM4"}, sse) || key != "" && sse != "KMS" {
		c.fail(http.StatusBadRequest, Code{Code: "InvalidEncryptionAlgorithmError", Message: "The Encryption request you specified is not valid."})
		return nil, false
	}
	return kept, true
}

// stored makes o the object, and says so.
func (c *call) stored(b *Bucket, o *Object) {
	o.At = c.now()
	b.put(c.key, o)
	if b.Versioning != "" {
		c.set("x-oss-version-id", o.Version)
	}
	c.set("x-oss-hash-crc64ecma", crc(o.Data))
}

func putObject(c *call, b *Bucket, body []byte) {
	kept, ok := c.kept(b)
	if !ok || !c.digested(body) || !c.writable(b) {
		return
	}
	c.set("ETag", c.tag(body))
	c.stored(b, &Object{Data: body, Header: kept})
}

// getObject answers HEAD as well, without the body.
func getObject(c *call, b *Bucket, _ []byte) {
	o := b.Latest(c.key)
	if o == nil {
		if len(b.objects[c.key]) > 0 {
			c.set("x-oss-delete-marker", "true")
		}
		c.fail(http.StatusNotFound, noSuchKey)
		return
	}
	for name, values := range o.Header {
		c.answer.Header[name] = values
	}
	c.set("ETag", etag(o.Data))
	if o.parts > 0 {
		c.set("ETag", fmt.Sprintf(`"%s-%d"`, newID(), o.parts))
	}
	if b.Versioning != "" {
		c.set("x-oss-version-id", o.Version)
	}
	c.set("x-oss-hash-crc64ecma", crc(o.Data))
	c.set("x-oss-object-type", "Normal")
	c.set("Accept-Ranges", "bytes")
	c.set("Last-Modified", o.At.Format(http.TimeFormat))
	data := o.Data
	var first, last int
	if n, _ := fmt.Sscanf(c.Header.Get("Range"), "bytes=%d-%d", &first, &last); n == 2 && first < len(data) && last >= first {
		last = min(last, len(data)-1)
		c.set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, len(data)))
		c.answer.Status, data = http.StatusPartialContent, data[first:last+1]
	}
	c.set("Content-Length", strconv.Itoa(len(data)))
	if c.Method == http.MethodGet {
		c.answer.Body = data
	}
}

func deleteObject(c *call, b *Bucket, _ []byte) {
	id := c.URL.Query().Get("versionId")
	switch {
	case id != "":
		i := slices.IndexFunc(b.objects[c.key], func(o *Object) bool { return o.Version == id })
		if i >= 0 && b.objects[c.key][i].Mode != "" && c.now().Before(b.objects[c.key][i].Until) {
			c.fail(http.StatusConflict, immutable)
			return
		}
		if i >= 0 {
			b.objects[c.key] = slices.Delete(b.objects[c.key], i, i+1)
		}
	case b.frozen(c.key, c.now()):
		c.fail(http.StatusConflict, immutable)
		return
	default:
		b.delete(c.key, c.now())
		c.set("x-oss-delete-marker", strconv.FormatBool(b.Versioning != ""))
	}
	c.answer.Status = http.StatusNoContent
}

// retention is the body of the calls about the retention of an object.
type retention struct {
	XMLName         xml.Name `xml:"Retention"`
	Mode            string
	RetainUntilDate time.Time
}

// version returns the version that the request is about, or nil, which it answers.
func (c *call) version(b *Bucket) *Object {
	id := c.URL.Query().Get("versionId")
	for i, o := range b.objects[c.key] {
		if (id == o.Version || id == "" && i == 0) && !o.Deleted {
			return o
		}
	}
	c.fail(http.StatusNotFound, noSuchKey)
	return nil
}

// putRetention locks a version, in a bucket with versioning alone. A lock in the mode
// COMPLIANCE can be lengthened and no more.
func putRetention(c *call, b *Bucket, body []byte) {
	var r retention
	o := c.version(b)
	switch err := xml.Unmarshal(body, &r); {
	case o == nil || !c.digested(body):
	case err != nil || r.Mode != "COMPLIANCE" && r.Mode != "GOVERNANCE":
		c.fail(http.StatusBadRequest, Code{Code: "MalformedXML", Message: "The XML you provided was not well-formed."})
	case b.Versioning != "Enabled":
		c.fail(http.StatusBadRequest, Code{Code: "InvalidRequest", Message: "The bucket has no object retention."})
	case o.Mode == "COMPLIANCE" && (r.Mode != o.Mode || r.RetainUntilDate.Before(o.Until)):
		c.fail(http.StatusConflict, immutable)
	default:
		o.Mode, o.Until = r.Mode, r.RetainUntilDate
	}
}

func getRetention(c *call, b *Bucket, _ []byte) {
	switch o := c.version(b); {
	case o == nil:
	case o.Mode == "":
		c.fail(http.StatusNotFound, Code{Code: "NoSuchObjectRetention", Message: "The object has no retention."})
	default:
		c.xml("<Retention><Mode>%s</Mode><RetainUntilDate>%s</RetainUntilDate></Retention>", o.Mode, o.Until.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
}
