package fetcher

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"

	"packseal.example/internal/evidence"
)

// sniffLen is the number of bytes from the beginning of a body that sniff needs.
const sniffLen = 8 << 10

// sniff returns the container format of a body that begins with head, whatever
// its name says.
func sniff(head []byte) evidence.Container {
	switch {
	case bytes.HasPrefix(head, []byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")):
		return evidence.OLE2
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return sniffZip(head)
	}
	return sniffText(decodeText(head))
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

// sniffText tells the kinds of text.
func sniffText(text []byte) evidence.Container {
	switch markup := leading(text); {
	case isHTML(markup):
		return evidence.HTML
	case markup != nil:
		return evidence.XML
	case isJSON(text):
		return evidence.JSON
	case isTable(text):
		return evidence.CSV
	}
	return evidence.Other
}

// charset returns the encoding of a text by its first bytes, or nil if it is one
// in which ASCII is ASCII, or no text. Text in UTF-16 and UTF-32 need not have a
// byte order mark: what tells it is where the zeros of its first letters are.
func charset(head []byte) encoding.Encoding {
	if len(head) < 4 {
		return nil
	}
	zeros := 0
	for i, b := range head[:4] {
		if b == 0 {
			zeros |= 8 >> i
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte("\xFF\xFE\x00\x00")), zeros == 0b0111:
		return utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)
	case bytes.HasPrefix(head, []byte("\x00\x00\xFE\xFF")), zeros == 0b1110:
		return utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)
	case bytes.HasPrefix(head, []byte("\xFF\xFE")), zeros == 0b0101:
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case bytes.HasPrefix(head, []byte("\xFE\xFF")), zeros == 0b1010:
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	}
	return nil
}

// decodeText returns head as UTF-8, or as it is where the encoding is another one
// that has ASCII, without a byte order mark and white space at the beginning.
func decodeText(head []byte) []byte {
	if c := charset(head); c != nil {
		if text, err := c.NewDecoder().Bytes(head); err == nil {
			head = text
		}
	}
	return bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\uFEFF")), " \t\r\n")
}

// leading returns the beginning of markup in lower case, from the first element or
// document type on, or nil if a text is not markup.
func leading(text []byte) []byte {
	if !bytes.HasPrefix(text, []byte("<")) {
		return nil
	}
	return bytes.TrimLeft(xmlProlog.ReplaceAll(bytes.ToLower(text), nil), " \t\r\n")
}

// xmlProlog matches an XML declaration and comments before the root element.
var xmlProlog = regexp.MustCompile(`^(\s*<\?[^>]*\?>|\s*<!--(?s:.*?)-->)+`)

// isHTML reports whether markup begins with an element of HTML.
func isHTML(markup []byte) bool { return htmlRoot.Match(markup) }

// htmlRoot has the elements by which browsers recognize HTML
// (https://mimesniff.spec.whatwg.org), and those that begin its head.
var htmlRoot = regexp.MustCompile(`^<(!doctype html|(html|head|body|title|script|style|meta|link|base|iframe|table|h1|div|font|center|form|pre|p|a|b|br)[\s/>])`)

// isTable reports whether a text is a table: as many separators in the second
// record as in the first, quotes (RFC 4180) aside.
func isTable(text []byte) bool {
	if bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\r\n", r) }) {
		return false
	}
	const separators = "\t,;"
	var counts [2][len(separators)]int // by record
	record, quoted := 0, false
	for _, c := range text {
		switch i := strings.IndexByte(separators, c); {
		case c == '"':
			quoted = !quoted // an escaped quote is two
		case quoted:
		case c == '\n':
			record++
		case i >= 0:
			counts[record][i]++
		}
		if record == len(counts) {
			break
		}
	}
	if record < len(counts) && len(text) >= sniffLen-utf8.UTFMax {
		return false // the record goes on
	}
	for i, n := range counts[0] {
		if n > 0 && n == counts[1][i] {
			return true
		}
	}
	return false
}
