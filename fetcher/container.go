package fetcher

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"packseal.example/internal/evidence"
)

// Container is what a report's first bytes say it is, whatever its name says.
type Container = evidence.Container

// The containers.
const (
	OLE2  = evidence.OLE2
	OOXML = evidence.OOXML
	Zip   = evidence.Zip
	XML   = evidence.XML
	HTML  = evidence.HTML
	Other = evidence.Other
)

// sniffLen is how many of a report's first bytes sniff looks at.
const sniffLen = 8 << 10

// sniff returns what begins with head.
func sniff(head []byte) Container {
	switch text := leading(head); {
	case bytes.HasPrefix(head, []byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")):
		return OLE2
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return sniffZip(head)
	case bytes.HasPrefix(text, []byte("<!doctype html")), bytes.HasPrefix(text, []byte("<html")):
		return HTML
	case bytes.HasPrefix(text, []byte("<")):
		return XML
	}
	return Other
}

// sniffZip tells a workbook from a plain archive by the name of its first
// member: the parts of an OOXML file have fixed names.
func sniffZip(head []byte) Container {
	if len(head) < 30 {
		return Zip
	}
	name := head[30:]
	name = name[:min(len(name), int(binary.LittleEndian.Uint16(head[26:28])))]
	for _, part := range []string{"[Content_Types].xml", "_rels/", "xl/", "docProps/"} {
		if bytes.HasPrefix(name, []byte(part)) {
			return OOXML
		}
	}
	return Zip
}

// leading returns markup in lower case, without what may stand before it, and
// nothing for a head that is no markup.
func leading(head []byte) []byte {
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xEF\xBB\xBF")), " \t\r\n")
	if !bytes.HasPrefix(head, []byte("<")) {
		return nil
	}
	return bytes.ToLower(head)
}

// storeError is the body of an answer by which OSS, or an S3 store, refuses.
type storeError struct {
	XMLName   xml.Name `xml:"Error"`
	Code      string
	Message   string
	RequestID string `xml:"RequestId"`
	EC        string // OSS's finer code
}

// parseStoreError reads an error body, and reports whether body is one. What
// it quotes of the link's query is taken out.
func parseStoreError(body []byte, link url.Values) (storeError, bool) {
	var e storeError
	if err := xml.Unmarshal(body, &e); err != nil || e.Code == "" {
		return storeError{}, false
	}
	// First to lines: what is taken out must not join what is left.
	for _, field := range []*string{&e.Code, &e.Message, &e.RequestID, &e.EC} {
		*field = oneLine(*field)
		for _, values := range link {
			for _, v := range values {
				if len(v) >= shortest {
					*field = strings.NewReplacer(v, "…", url.QueryEscape(v), "…").Replace(*field)
				}
			}
		}
	}
	e.Message = cut(signed.ReplaceAllString(e.Message, "…"), 200)
	e.Code, e.RequestID, e.EC = cut(e.Code, 80), cut(e.RequestID, 80), cut(e.EC, 80)
	return e, e.Code != ""
}

// oneLine is s without what does not belong on a line.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
}

// cut bounds s, in bytes.
func cut(s string, limit int) string { return strings.ToValidUTF8(s[:min(len(s), limit)], "") }

// shortest is the length of the shortest value of a query that could be a
// secret. Shorter ones, such as a number of seconds, stand in messages anyway.
const shortest = 12

// expired reports whether the refusal is of the family that a fresh link
// cures: the link's time, its token or its temporary key ran out.
func (e storeError) expired() bool {
	switch e.Code {
	case "SecurityTokenExpired", "InvalidAccessKeyId", "ExpiredToken":
		return true
	case "AccessDenied":
		return strings.Contains(strings.ToLower(e.Message), "expired")
	}
	return false
}

// signed matches what could quote a link or a key in a message of the store's.
var signed = regexp.MustCompile(`(?i)(https?://\S+|[?&]?[\w-]*(signature|token|credential|accesskeyid)\S*)`)

// String is the error for a message of ours: Code, Message, RequestId, EC.
func (e storeError) String() string {
	s := e.Code
	if e.Message != "" {
		s += ": " + e.Message
	}
	for _, id := range []string{e.RequestID, e.EC} {
		if id != "" {
			s += ", " + id
		}
	}
	return s
}

// errorPage reports whether a body that came with status 200 is an error page
// and not a report: an <Error> document, or HTML without a table.
func errorPage(c Container, head []byte) bool {
	text := leading(head)
	switch c {
	case HTML:
		return !bytes.Contains(text, []byte("<table"))
	case XML:
		text = bytes.TrimLeft(xmlProlog.ReplaceAll(text, nil), " \t\r\n")
		return bytes.HasPrefix(text, []byte("<error"))
	}
	return false
}

// xmlProlog matches an XML declaration and comments before the root element.
var xmlProlog = regexp.MustCompile(`^(\s*<\?[^>]*\?>|\s*<!--(?s:.*?)-->)+`)
