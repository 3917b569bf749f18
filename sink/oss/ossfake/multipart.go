package ossfake

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// minPart is the least size of a part other than the last, in bytes.
const minPart = 100 << 10

// upload is a multipart upload.
type upload struct {
	bucket, key string
	kept        http.Header
	parts       map[int][]byte
}

var noSuchUpload = Code{Code: "NoSuchUpload", Message: "The specified upload does not exist. The upload ID might be invalid, or the multipart upload might have been aborted or completed."}

func initiate(c *call, b *Bucket, _ []byte) {
	kept, ok := c.kept(b)
	if !ok || !c.writable(b) {
		return
	}
	id := newID()
	c.uploads[id] = &upload{c.bucket, c.key, kept, map[int][]byte{}}
	c.xml("<InitiateMultipartUploadResult><EncodingType>%s</EncodingType><Bucket>%s</Bucket><Key>%s</Key><UploadId>%s</UploadId></InitiateMultipartUploadResult>",
		c.encoding(), c.bucket, c.text(c.key), id)
}

// upload returns that of the request, or nil, which it answers.
func (c *call) upload() *upload {
	u := c.uploads[c.URL.Query().Get("uploadId")]
	if u == nil || u.bucket != c.bucket || u.key != c.key {
		c.fail(http.StatusNotFound, noSuchUpload)
		return nil
	}
	return u
}

func uploadPart(c *call, _ *Bucket, body []byte) {
	u := c.upload()
	if u == nil || !c.digested(body) {
		return
	}
	n, err := strconv.Atoi(c.URL.Query().Get("partNumber"))
	if err != nil || n < 1 || n > 10000 {
		c.fail(http.StatusBadRequest, invalid.because("Part number must be an integer between 1 and 10000, inclusive."))
		return
	}
	u.parts[n] = body
	c.set("ETag", c.tag(body))
	c.set("x-oss-hash-crc64ecma", crc(body))
}

func complete(c *call, b *Bucket, body []byte) {
	u := c.upload()
	if u == nil || !c.digested(body) || !c.writable(b) {
		return
	}
	var list struct {
		XMLName xml.Name `xml:"CompleteMultipartUpload"`
		Part    []struct {
			PartNumber int
			ETag       string
		}
	}
	if err := xml.Unmarshal(body, &list); err != nil || len(list.Part) == 0 {
		c.fail(http.StatusBadRequest, Code{Code: "MalformedXML", Message: "The XML you provided was not well-formed."})
		return
	}
	var all []byte
	for i, p := range list.Part {
		data, ok := u.parts[p.PartNumber]
		switch {
		case !ok || strings.Trim(p.ETag, `"`) != strings.Trim(etag(data), `"`):
			c.fail(http.StatusBadRequest, Code{Code: "InvalidPart", Message: "One or more of the specified parts could not be found or the specified entity tag might not have matched the part's entity tag."})
			return
		case i > 0 && p.PartNumber <= list.Part[i-1].PartNumber:
			c.fail(http.StatusBadRequest, Code{Code: "InvalidPartOrder", Message: "The list of parts was not in ascending order."})
			return
		case len(data) < minPart && i < len(list.Part)-1:
			c.fail(http.StatusBadRequest, Code{Code: "EntityTooSmall", Message: "Your proposed upload smaller than the minimum allowed size."})
			return
		}
		all = append(all, data...)
	}
	delete(c.uploads, c.URL.Query().Get("uploadId"))
	c.stored(b, &Object{Data: all, Header: u.kept, parts: len(list.Part)})
	c.xml("<CompleteMultipartUploadResult><EncodingType>%s</EncodingType><Location>http://%s/%s</Location><Bucket>%s</Bucket><Key>%s</Key><ETag>%s</ETag></CompleteMultipartUploadResult>",
		c.encoding(), c.Host, escape(c.key), c.bucket, c.text(c.key), fmt.Sprintf(`"%s-%d"`, newID(), len(list.Part)))
}

func abort(c *call, _ *Bucket, _ []byte) {
	if c.upload() != nil {
		delete(c.uploads, c.URL.Query().Get("uploadId"))
		c.answer.Status = http.StatusNoContent
	}
}
