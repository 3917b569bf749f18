package bucket

import (
	"encoding/hex"
	"maps"
	"mime"
	"net/url"
	"strings"

	"packseal.example/sink"
)

// MetadataSum is the metadata key under which each object carries its SHA-256 in
// hex, so that a HEAD tells whether a key holds the same content.
const MetadataSum = "sha256"

// Metadata returns the metadata of an object: its SHA-256, and what is to be known
// about it. Metadata is ASCII; other texts are encoded words (RFC 2047), as S3
// itself gives them out.
func Metadata(c sink.Content) map[string]string {
	m := make(map[string]string, len(c.About.Facts)+1)
	for name, text := range c.About.Facts {
		m[name] = mime.BEncoding.Encode("utf-8", strings.Join(strings.Fields(text), " "))
	}
	maps.DeleteFunc(m, func(_, text string) bool { return text == "" })
	m[MetadataSum] = hex.EncodeToString(c.SHA256[:])
	return m
}

// Optional returns nil for an empty string.
func Optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Disposition returns the Content-Disposition under which browsers save the object
// as a file of that name, or nil (RFC 6266). A name that is not ASCII is there twice:
// without what is not, and as it is (RFC 8187).
func Disposition(name string) *string {
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
	return &header
}
