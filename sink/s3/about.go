package s3

import (
	"maps"
	"mime"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"packseal.example/sink"
)

// metadata returns the metadata of an object: its SHA-256, and what is to be known
// about it. Metadata is ASCII; other texts are encoded words (RFC 2047), as S3
// itself gives them out.
func metadata(c sink.Content) map[string]string {
	m := make(map[string]string, len(c.About.Facts)+1)
	for name, text := range c.About.Facts {
		m[name] = mime.BEncoding.Encode("utf-8", strings.Join(strings.Fields(text), " "))
	}
	maps.DeleteFunc(m, func(_, text string) bool { return text == "" })
	m[metadataSum] = sum(c.SHA256).hex()
	return m
}

// optional returns nil for an empty string.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// disposition returns the Content-Disposition under which browsers save the object
// as a file of that name, or nil (RFC 6266). A name that is not ASCII is there twice:
// without what is not, and as it is (RFC 8187).
func disposition(name string) *string {
	if name == "" {
		return nil
	}
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, name)
	plain = strings.Join(strings.Fields(plain), " ")
	header := `attachment; filename="` + plain + `"`
	if plain != name {
		header += "; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return aws.String(header)
}
