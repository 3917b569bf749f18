package ossfake

import "net/http"

// operations are what is known.
var operations = map[string]func(c *call, b *Bucket, body []byte){
	"PutObject": putObject, "GetObject": getObject, "HeadObject": getObject, "DeleteObject": deleteObject,
	"InitiateMultipartUpload": initiate, "UploadPart": uploadPart, "CompleteMultipartUpload": complete, "AbortMultipartUpload": abort,
	"PutObjectRetention": putRetention, "GetObjectRetention": getRetention,
	"ListObjectsV2": listObjects, "ListObjectVersions": listVersions, "GetBucketVersioning": getVersioning, "GetBucketWorm": getWorm,
}

// operation returns the name of what is asked for, or "".
func (c *call) operation() string {
	q := c.URL.Query()
	if c.key == "" {
		for name, is := range map[string]bool{
			"ListObjectsV2": q.Get("list-type") == "2", "ListObjectVersions": q.Has("versions"),
			"GetBucketVersioning": q.Has("versioning"), "GetBucketWorm": q.Has("worm"),
		} {
			if is && c.Method == http.MethodGet {
				return name
			}
		}
		return ""
	}
	kind := "Object"
	switch {
	case q.Has("uploads"):
		kind = "uploads"
	case q.Has("uploadId"):
		kind = "upload"
	case q.Has("retention"):
		kind = "retention"
	}
	return map[string]string{
		"PUT Object": "PutObject", "GET Object": "GetObject", "HEAD Object": "HeadObject", "DELETE Object": "DeleteObject",
		"POST uploads": "InitiateMultipartUpload", "PUT upload": "UploadPart", "POST upload": "CompleteMultipartUpload", "DELETE upload": "AbortMultipartUpload",
		"PUT retention": "PutObjectRetention", "GET retention": "GetObjectRetention",
	}[c.Method+" "+kind]
}
