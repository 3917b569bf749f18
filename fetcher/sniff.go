package fetcher

import (
	"bytes"
	"encoding/binary"
	"regexp"

	"packseal.example/internal/evidence"
)

// sniffLen is the number of bytes from the beginning of a body that sniff needs.
const sniffLen = 8 << 10

// sniff returns the container format of a body that begins with head, whatever
// its name says.
func sniff(head []byte) evidence.Container {
	switch text := leading(head); {
	case bytes.HasPrefix(head, []byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")):
		return evidence.OLE2
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return sniffZip(head)
	case bytes.HasPrefix(text, []byte("<!doctype html")), bytes.HasPrefix(text, []byte("<html")):
		return evidence.HTML
	case bytes.HasPrefix(text, []byte("<")):
		return evidence.XML
	}
	return evidence.Other
}

// sniffZip tells an OOXML workbook from a plain archive by the name of the first
// member, since the parts of a workbook have fixed names.
func sniffZip(head []byte) evidence.Container {
	if len(head) < 30 {
		return evidence.Zip
	}
	name := head[30:]
	name = name[:min(len(name), int(binary.LittleEndian.Uint16(head[26:28])))]
	for _, part := range []string{"[Content_Types].xml", "_rels/", "xl/", "docProps/"} {
		if bytes.HasPrefix(name, []byte(part)) {
			return evidence.OOXML
		}
	}
	return evidence.Zip
}

// leading returns head in lower case without a byte order mark and white space at
// the beginning, or nil if it is not markup.
func leading(head []byte) []byte {
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xEF\xBB\xBF")), " \t\r\n")
	if !bytes.HasPrefix(head, []byte("<")) {
		return nil
	}
	return bytes.ToLower(head)
}

// errorPage reports whether the body of a response with status 200 is not a report
// but an <Error> document, or HTML without a table.
func errorPage(c evidence.Container, head []byte) bool {
	text := leading(head)
	switch c {
	case evidence.HTML:
		return !bytes.Contains(text, []byte("<table"))
	case evidence.XML:
		text = bytes.TrimLeft(xmlProlog.ReplaceAll(text, nil), " \t\r\n")
		return bytes.HasPrefix(text, []byte("<error"))
	}
	return false
}

// xmlProlog matches an XML declaration and comments before the root element.
var xmlProlog = regexp.MustCompile(`^(\s*<\?[^>]*\?>|\s*<!--(?s:.*?)-->)+`)
