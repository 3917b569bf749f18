package s3

import (
	"mime"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"packseal.example/sink"
)

// What people see of an object in a bucket browser, in one part and in several: the
// store gives back type, file name and metadata as they were meant.
func TestAbout(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		o := p.bucket(t, false)
		o.MultipartThreshold, o.PartSize = minPart, minPart
		s := open(t, o)
		for key, c := range map[string]struct {
			size int
			name string
		}{
			"plain":   {10, "2026-03-31 MLPS level 3 (cp-1).xls"},
			"chinese": {10, "2026-03-31 等保三级 (cp-1).xls"},
			"large":   {minPart + 1, "2026-03-31 等保 三级+100' (cp-1).xls"},
			"long":    {10, strings.Repeat("等", 60) + ".xls"},
		} {
			content := sink.Bytes(random(c.size))
			content.About = sink.About{Type: "application/vnd.ms-excel", Name: c.name, Facts: map[string]string{"pack": "ca-1/cp-1", "name": c.name + "\r\n x", "due": "2026-03-30T18:00:00Z", "empty": ""}}
			if err := s.Put(t.Context(), key, content); err != nil {
				t.Fatalf("%s: %v", key, err)
			}
			if err := s.Put(t.Context(), key, sink.Bytes(random(c.size))); err != nil {
				t.Errorf("%s: the same bytes with nothing about them: %v", key, err)
			}
			head, err := s.client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &o.Bucket, Key: &key})
			if err != nil {
				t.Fatal(err)
			}
			how, params, err := mime.ParseMediaType(aws.ToString(head.ContentDisposition))
			if err != nil || how != "attachment" || params["filename"] != c.name {
				t.Errorf("%s: disposition %q is %q, %v", key, aws.ToString(head.ContentDisposition), params["filename"], err)
			}
			name, err := new(mime.WordDecoder).DecodeHeader(head.Metadata["name"])
			if err != nil || name != c.name+" x" || aws.ToString(head.ContentType) != content.About.Type ||
				head.Metadata["pack"] != "ca-1/cp-1" || head.Metadata["due"] != "2026-03-30T18:00:00Z" || len(head.Metadata) != 4 {
				t.Errorf("%s: type %q, metadata %q, name %q, %v", key, aws.ToString(head.ContentType), head.Metadata, name, err)
			}
		}
	})
}
