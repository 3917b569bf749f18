package ossfake

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// encoding returns how keys are encoded in documents.
func (c *call) encoding() string { return c.URL.Query().Get("encoding-type") }

// text encodes a key for a document.
func (c *call) text(key string) string {
	if c.encoding() == "url" {
		return url.QueryEscape(key)
	}
	var b strings.Builder
	xml.EscapeText(&b, []byte(key)) //nolint:errcheck // in memory
	return b.String()
}

// page returns how many keys a page has, and false if the request asks for what
// there is not, which it answers.
func (c *call) page() (int, bool) {
	q := c.URL.Query()
	n := 100
	if q.Has("max-keys") {
		var err error
		if n, err = strconv.Atoi(q.Get("max-keys")); err != nil || n < 1 || n > 1000 {
			c.fail(http.StatusBadRequest, invalid.because("Argument max-keys must be an integer between 1 and 1000."))
			return 0, false
		}
	}
	if q.Get("delimiter") != "" || !slices.Contains([]string{"", "url"}, c.encoding()) {
		c.fail(http.StatusBadRequest, Code{Code: "NotImplemented", Message: "A parameter you provided implies functionality that is not implemented."})
		return 0, false
	}
	return n, true
}

const dates = "2006-01-02T15:04:05.000Z"

func listObjects(c *call, b *Bucket, _ []byte) {
	n, ok := c.page()
	if !ok {
		return
	}
	q := c.URL.Query()
	after := q.Get("start-after")
	if token := q.Get("continuation-token"); token != "" {
		last, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			c.fail(http.StatusBadRequest, invalid.because("The continuation token is not valid."))
			return
		}
		after = string(last)
	}
	keys := slices.DeleteFunc(sorted(b.objects), func(key string) bool {
		return !strings.HasPrefix(key, q.Get("prefix")) || key <= after || b.Latest(key) == nil
	})
	more := len(keys) > n
	keys = keys[:min(n, len(keys))]
	var d strings.Builder
	for _, key := range keys {
		o := b.Latest(key)
		fmt.Fprintf(&d, "<Contents><Key>%s</Key><LastModified>%s</LastModified><ETag>%s</ETag><Type>Normal</Type><Size>%d</Size><StorageClass>Standard</StorageClass></Contents>",
			c.text(key), o.At.Format(dates), c.text(etag(o.Data)), len(o.Data))
	}
	if more {
		fmt.Fprintf(&d, "<NextContinuationToken>%s</NextContinuationToken>", base64.RawURLEncoding.EncodeToString([]byte(keys[n-1])))
	}
	c.xml("<ListBucketResult><Name>%s</Name><Prefix>%s</Prefix><StartAfter>%s</StartAfter><MaxKeys>%d</MaxKeys><EncodingType>%s</EncodingType><IsTruncated>%t</IsTruncated>%s<KeyCount>%d</KeyCount></ListBucketResult>",
		c.bucket, c.text(q.Get("prefix")), c.text(q.Get("start-after")), n, c.encoding(), more, d.String(), len(keys))
}

// listVersions lists versions and delete markers, those of a key from the latest on.
func listVersions(c *call, b *Bucket, _ []byte) {
	n, ok := c.page()
	if !ok {
		return
	}
	q := c.URL.Query()
	var d strings.Builder
	count, passed, more := 0, q.Get("version-id-marker") == "", false
	var key, version string
	for _, k := range sorted(b.objects) {
		if !strings.HasPrefix(k, q.Get("prefix")) || k < q.Get("key-marker") || k == q.Get("key-marker") && q.Get("version-id-marker") == "" {
			continue
		}
		for i, o := range b.objects[k] {
			if k == q.Get("key-marker") && !passed {
				passed = o.Version == q.Get("version-id-marker")
				continue
			}
			if more = count == n; more {
				break
			}
			count, key, version = count+1, k, o.Version
			head := fmt.Sprintf("<Key>%s</Key><VersionId>%s</VersionId><IsLatest>%t</IsLatest><LastModified>%s</LastModified>", c.text(k), o.Version, i == 0, o.At.Format(dates))
			if o.Deleted {
				fmt.Fprintf(&d, "<DeleteMarker>%s</DeleteMarker>", head)
			} else {
				fmt.Fprintf(&d, "<Version>%s<ETag>%s</ETag><Type>Normal</Type><Size>%d</Size><StorageClass>Standard</StorageClass></Version>", head, c.text(etag(o.Data)), len(o.Data))
			}
		}
		if more {
			break
		}
	}
	if more {
		fmt.Fprintf(&d, "<NextKeyMarker>%s</NextKeyMarker><NextVersionIdMarker>%s</NextVersionIdMarker>", c.text(key), version)
	}
	c.xml("<ListVersionsResult><Name>%s</Name><Prefix>%s</Prefix><KeyMarker>%s</KeyMarker><MaxKeys>%d</MaxKeys><EncodingType>%s</EncodingType><IsTruncated>%t</IsTruncated>%s</ListVersionsResult>",
		c.bucket, c.text(q.Get("prefix")), c.text(q.Get("key-marker")), n, c.encoding(), more, d.String())
}
