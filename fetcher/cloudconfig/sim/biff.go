package sim

import (
	"bytes"
	"encoding/binary"
	"math"
	"unicode/utf16"
)

// The records of BIFF8 that a workbook needs, and some for its appearance, by the
// published format [MS-XLS].
const (
	recBOF        = 0x0809
	recEOF        = 0x000A
	recCodePage   = 0x0042
	recWindow1    = 0x003D
	recFont       = 0x0031
	recXF         = 0x00E0
	recStyle      = 0x0293
	recBoundSheet = 0x0085
	recSST        = 0x00FC
	recContinue   = 0x003C
	recDimensions = 0x0200
	recColInfo    = 0x007D
	recLabelSST   = 0x00FD
	recNumber     = 0x0203
	recWindow2    = 0x023E

	maxRecord = 8224 // maximum length of a record's body
	xfPlain   = 15   // the first cell format, after 15 of styles
	xfBold    = 16
)

// sheet is a table with cells of type string or int. The first row is bold.
type sheet struct {
	name   string
	widths []int // of columns, in characters
	rows   [][]any
}

// biff writes records.
type biff struct {
	bytes.Buffer
	index   map[string]uint32 // of shared strings
	strings []string
	uses    uint32
}

// workbook returns the sheets as a BIFF8 stream: the globals, which have the offsets
// of the sheets, and the sheets. Each record has its kind and the length of its
// body, in two bytes each, and the body, all little-endian:
//
//	BOF CODEPAGE WINDOW1 FONT… XF… STYLE     the globals
//	BOUNDSHEET… SST CONTINUE… EOF
//	BOF COLINFO… DIMENSIONS                  each sheet
//	LABELSST | NUMBER …  WINDOW2 EOF
//
// The sheets are encoded first, because they fill the table of shared strings in the
// globals. Their offsets are set once the length of the globals is known. A test
// reads the result with xlrd.
func workbook(sheets []sheet) []byte {
	w := &biff{index: make(map[string]uint32)}
	parts := make([][]byte, len(sheets))
	for i, s := range sheets {
		w.sheet(s, i == 0)
		parts[i] = bytes.Clone(w.Bytes())
		w.Reset()
	}
	w.styles()
	places := make([]int, len(sheets))
	for i, s := range sheets {
		places[i] = w.Len() + 4
		w.record(recBoundSheet, uint32(0), uint16(0), shortString(s.name))
	}
	w.sharedStrings()
	w.record(recEOF)
	out := w.Bytes()
	for i, part := range parts {
		binary.LittleEndian.PutUint32(out[places[i]:], uint32(len(out)))
		out = append(out, part...)
	}
	return out
}

// record writes a record. Fields are byte slices or fixed-size integers.
func (w *biff) record(kind uint16, fields ...any) {
	var body []byte
	for _, f := range fields {
		switch f := f.(type) {
		case []byte:
			body = append(body, f...)
		default:
			body, _ = binary.Append(body, binary.LittleEndian, f) // fixed sizes only
		}
	}
	head := binary.LittleEndian.AppendUint16(nil, kind)
	w.Write(binary.LittleEndian.AppendUint16(head, uint16(len(body))))
	w.Write(body)
}

// styles writes the first part of the globals, with fonts and formats.
func (w *biff) styles() {
	w.record(recBOF, uint16(0x0600), uint16(0x0005), uint16(0x0DBB), uint16(0x07CC), uint32(0), uint32(6))
	w.record(recCodePage, uint16(1200))
	w.record(recWindow1, uint16(0), uint16(0), uint16(0x4000), uint16(0x2000), uint16(0x38), uint16(0), uint16(0), uint16(1), uint16(600))
	for i := range 5 { // the format skips number 4, so the bold font is number 5
		weight := uint16(400)
		if i == 4 {
			weight = 700
		}
		w.record(recFont, uint16(200), uint16(0), uint16(0x7FFF), weight, uint16(0), uint32(0), shortString("Arial"))
	}
	for i := range xfBold + 1 {
		font, kind := uint16(0), uint16(0xFFF5) // a style
		if i >= xfPlain {
			kind = 1
		}
		if i == xfBold {
			font = 5
		}
		w.record(recXF, font, uint16(0), kind, uint16(0x20), uint16(0), uint32(0), uint32(0), uint16(0x20C0))
	}
	w.record(recStyle, uint16(0x8000), uint8(0), uint8(0xFF))
}

// sheet writes a sheet.
func (w *biff) sheet(s sheet, first bool) {
	columns := 0
	for _, row := range s.rows {
		columns = max(columns, len(row))
	}
	w.record(recBOF, uint16(0x0600), uint16(0x0010), uint16(0x0DBB), uint16(0x07CC), uint32(0), uint32(6))
	for i, width := range s.widths {
		w.record(recColInfo, uint16(i), uint16(i), uint16(width*256), uint16(xfPlain), uint16(0), uint16(0))
	}
	w.record(recDimensions, uint32(0), uint32(len(s.rows)), uint16(0), uint16(columns), uint16(0))
	for y, row := range s.rows {
		xf := uint16(xfPlain)
		if y == 0 {
			xf = xfBold
		}
		for x, cell := range row {
			switch cell := cell.(type) {
			case string:
				w.record(recLabelSST, uint16(y), uint16(x), xf, w.shared(cell))
			case int:
				w.record(recNumber, uint16(y), uint16(x), xf, math.Float64bits(float64(cell)))
			}
		}
	}
	options := uint16(0x00B6)
	if first {
		options |= 0x0600 // selected and shown
	}
	w.record(recWindow2, options, uint16(0), uint16(0), uint32(0x40), uint16(0), uint16(0), uint32(0))
	w.record(recEOF)
}

// shared returns the index of a string in the table of shared strings.
func (w *biff) shared(s string) uint32 {
	w.uses++
	n, ok := w.index[s]
	if !ok {
		n = uint32(len(w.strings))
		w.index[s] = n
		w.strings = append(w.strings, s)
	}
	return n
}

// sharedStrings writes the table. It is split between strings but not within one,
// which would need another flag byte.
func (w *biff) sharedStrings() {
	kind := uint16(recSST)
	body := binary.LittleEndian.AppendUint32(nil, w.uses)
	body = binary.LittleEndian.AppendUint32(body, uint32(len(w.strings)))
	for _, s := range w.strings {
		text, flag, n := units(s)
		if len(body)+3+len(text) > maxRecord {
			w.record(kind, body)
			kind, body = recContinue, nil
		}
		body = append(binary.LittleEndian.AppendUint16(body, uint16(n)), flag)
		body = append(body, text...)
	}
	w.record(kind, body)
}

// shortString returns a string with a length of one byte.
func shortString(s string) []byte {
	text, flag, n := units(s)
	return append([]byte{byte(n), flag}, text...)
}

// units encodes s with one byte per character if possible (flag 0), or as UTF-16
// (flag 1); n is the number of characters.
func units(s string) (text []byte, flag byte, n int) {
	wide := utf16.Encode([]rune(s))
	for _, u := range wide {
		if u > 0xFF {
			flag = 1
		}
	}
	for _, u := range wide {
		text = append(text, byte(u))
		if flag == 1 {
			text = append(text, byte(u>>8))
		}
	}
	return text, flag, len(wide)
}
