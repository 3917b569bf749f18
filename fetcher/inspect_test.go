package fetcher

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// utf16s returns a text in UTF-16, in that byte order.
func utf16s(order binary.AppendByteOrder, text string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

// utf32s returns a text in UTF-32, in that byte order.
func utf32s(order binary.AppendByteOrder, text string) string {
	var b []byte
	for _, r := range text {
		b = order.AppendUint32(b, uint32(r))
	}
	return string(b)
}

// zipped1 returns a zip with a member of that name.
func zipped1(t testing.TB, name, comment string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(name)
	if err == nil {
		_, err = w.Write([]byte(strings.Repeat("some content ", 100)))
	}
	if err == nil {
		err = z.SetComment(comment)
	}
	if err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return b.String()
}

// gzipped compresses a body.
func gzipped(t testing.TB, body string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(body)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return b.String()
}

// compound returns a compound file of that many sectors of 512 bytes, whose
// directory is the last and whose sector table the one before.
func compound(sectors int) string {
	b := make([]byte, 512*(sectors+1))
	copy(b, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")
	binary.LittleEndian.PutUint16(b[30:], 9)
	binary.LittleEndian.PutUint32(b[44:], 1)
	binary.LittleEndian.PutUint32(b[48:], uint32(sectors-1))
	binary.LittleEndian.PutUint32(b[76:], uint32(sectors-2))
	return string(b)
}

// look inspects a body, written in pieces of that size, under a name.
func look(name, body string, piece int, header ...string) (Report, error) {
	r, s, h := Report{Name: name}, new(sample), http.Header{}
	for p := range slices.Chunk([]byte(body), piece) {
		s.Write(p)
	}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	d := &downloader{max: 1 << 20}
	err := d.inspect(&r, s, strings.NewReader(body), h, nil)
	return r, err
}

const (
	workbookHTML = "<html><body><table><tr><td>规则</td></tr></table></body></html>"
	signIn       = "<!DOCTYPE html>\n<html><head><title>登录</title></head><body><p>Please sign in to the proxy.</p></body></html>"
	sheetXML     = "<?xml version=\"1.0\"?>\n<?mso-application progid=\"Excel.Sheet\"?>\n<Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\"/>"
)

// longStyles begins a page whose content comes late.
var longStyles = "<html><style>" + strings.Repeat(".xl65 {mso-number-format:General;}\n", 1000) + "</style>"

// TestInspect: what can be a report is recognized, with what is odd about it.
func TestInspect(t *testing.T) {
	t.Parallel()
	cut := compound(20)
	for name, c := range map[string]struct {
		file, body string
		header     []string
		want       evidence.Container
		encoding   string
		odd        string
	}{
		"workbook":                {"r.xls", compound(20), nil, evidence.OLE2, "", ""},
		"of another type":         {"r.xls", compound(20), []string{"Content-Type", "text/html; charset=utf-8"}, evidence.OLE2, "", "content_type"},
		"of its type":             {"r.xls", compound(20), []string{"Content-Type", "application/vnd.ms-excel", "Content-Encoding", "identity"}, evidence.OLE2, "", ""},
		"cut workbook":            {"r.xls", cut[:len(cut)-600], nil, evidence.OLE2, "", "incomplete"},
		"little of a workbook":    {"r.xls", cut[:100], nil, evidence.OLE2, "", "incomplete"},
		"OOXML":                   {"r.xls", zipped1(t, "[Content_Types].xml", ""), nil, evidence.OOXML, "", ""},
		"zip":                     {"r.zip", zipped1(t, "123_账号.xls", strings.Repeat("x", 1<<16-1)), nil, evidence.Zip, "", ""},
		"zip, with a second end":  {"r.zip", zipped1(t, "a.xls", "PK\x05\x06"), nil, evidence.Zip, "", ""},
		"zip under another name":  {"r.xls", zipped1(t, "a.xls", ""), nil, evidence.Zip, "", "extension"},
		"SpreadsheetML":           {"r.xml", sheetXML, nil, evidence.XML, "", ""},
		"HTML workbook":           {"r.xls", workbookHTML, nil, evidence.HTML, "", "extension"},
		"HTML, with long styles":  {"r.xls", longStyles + workbookHTML, nil, evidence.HTML, "", "extension"},
		"the same, in UTF-16":     {"r.html", "\xFF\xFE" + utf16s(binary.LittleEndian, longStyles+workbookHTML), nil, evidence.HTML, "", "charset"},
		"the same, in gzip":       {"r.html", gzipped(t, longStyles+strings.ToUpper(workbookHTML)), nil, evidence.HTML, "gzip", "encoding"},
		"in UTF-16":               {"r.html", "\xFF\xFE" + utf16s(binary.LittleEndian, workbookHTML), nil, evidence.HTML, "", "charset"},
		"a table in text":         {"r.csv", "\uFEFFResource,Status\n" + strings.Repeat("i-1,NON_COMPLIANT\n", 10), nil, evidence.CSV, "", ""},
		"the same, very long":     {"r.csv", "Resource\tStatus\r\n" + strings.Repeat("i-1\tNON_COMPLIANT\r\n", 10000), nil, evidence.CSV, "", ""},
		"a table in GB 18030":     {"r.csv", "\xd7\xca\xd4\xb4,\xd7\xb4\xcc\xac\n" + strings.Repeat("i-1,\xba\xcf\xb9\xe6\n", 10), nil, evidence.CSV, "", ""},
		"quoted separators":       {"r.csv", "id,tags,zone\r\n" + strings.Repeat("i-1,\"{\"\"a\"\":\"\"b,c\"\",\n\"\"d\"\":1}\",cn\r\n", 10), nil, evidence.CSV, "", ""},
		"quotes that do not end":  {"r.csv", "id,\"tags\n" + strings.Repeat("i-1,b\n", 2000), nil, evidence.Other, "", "extension unrecognized"},
		"a table in UTF-16":       {"r.csv", "\xFF\xFE" + utf16s(binary.LittleEndian, "资源ID,标签\r\n"+strings.Repeat("i-1,\"a,b\"\r\n", 9)), nil, evidence.CSV, "", "charset"},
		"JSON that is no error":   {"r.xls", `[{"resource": "i-1", "code": "x"}` + strings.Repeat(`, {"resource": "i-2"}`, 1000) + "]", nil, evidence.JSON, "", "extension"},
		"prose":                   {"r.xls", strings.Repeat("Please come back later. ", 10), nil, evidence.Other, "", "extension unrecognized"},
		"an endless line":         {"r.xls", strings.Repeat("a,b;", 10000), nil, evidence.Other, "", "extension unrecognized"},
		"brackets":                {"r.bin", strings.Repeat("[x] ", 100), nil, evidence.Other, "", "unrecognized"},
		"gzip":                    {"r.xls", gzipped(t, compound(20)), []string{"Content-Encoding", "gzip"}, evidence.OLE2, "gzip", "encoding"},
		"gzip, nobody says so":    {"r.xls.gz", gzipped(t, zipped1(t, "xl/a", "")), nil, evidence.OOXML, "gzip", "encoding"},
		"gzip, and more":          {"r.xls", gzipped(t, compound(20)) + "more", nil, evidence.OLE2, "gzip", "encoding"},
		"gzip of gzip":            {"r.xls", gzipped(t, gzipped(t, strings.Repeat("0123456789", 10)+compound(20))), nil, evidence.Other, "gzip", "encoding extension unrecognized"},
		"said to be gzip":         {"r.xls", compound(20), []string{"Content-Encoding", "x-gzip"}, evidence.OLE2, "", "encoding"},
		"another encoding":        {"r.bin", strings.Repeat("\x8b\x02\x80", 100), []string{"Content-Encoding", "br"}, evidence.Other, "br", "encoding unrecognized"},
		"an encoding of nonsense": {"r.bin", strings.Repeat("\x8b\x02\x80", 100), []string{"Content-Encoding", "\x00x"}, evidence.Other, "unknown", "encoding unrecognized"},
	} {
		for _, piece := range []int{7, 8 << 10, 256 << 10} {
			r, err := look(c.file, c.body, piece, c.header...)
			if err != nil || r.Container != c.want || r.ContentEncoding != c.encoding || strings.Join(r.Anomalies, " ") != c.odd {
				t.Errorf("%s, in pieces of %d: %s, encoding %q, odd %q, %v", name, piece, r.Container, r.ContentEncoding, r.Anomalies, err)
			}
		}
	}
}

// TestInspectRefuses: what cannot be a report is refused, and the error says why.
func TestInspectRefuses(t *testing.T) {
	t.Parallel()
	whole := zipped1(t, "a.xls", "")
	packed := gzipped(t, compound(200))
	page := func(text string) string { return text + strings.Repeat(" ", 100) }
	for name, c := range map[string]struct{ body, says string }{
		"nothing":                {"", "only 0 bytes"},
		"zeros":                  {strings.Repeat("\x00", 1<<20), "nothing but zeros"},
		"white space":            {strings.Repeat(" \r\n", 1000), "nothing but zeros or white space"},
		"cut zip":                {whole[:len(whole)-1], "a zip without its end"},
		"much of a zip":          {whole[:100], "a zip without its end"},
		"cut gzip":               {packed[:len(packed)-9], "decompressing the body"},
		"gzip of a page":         {gzipped(t, signIn), "error page in HTML"},
		"gzip of zeros":          {gzipped(t, strings.Repeat("\x00", 1000)), "nothing but zeros"},
		"gzip of little":         {gzipped(t, "x") + strings.Repeat("x", 100), "only 1 bytes"},
		"gzip bomb":              {gzipped(t, strings.Repeat("x", 1<<20+1)), "larger than"},
		"an OSS error":           {"\xEF\xBB\xBF<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code><Message>oops</Message></Error>", "200 with an error: InternalError: oops"},
		"an error, unparsed":     {page("<Error>x"), "error page in XML"},
		"an error response":      {page("<!-- a --><ErrorResponse><Error/></ErrorResponse>"), "error page in XML"},
		"a page":                 {signIn, "error page in HTML"},
		"a page in XML":          {"<?xml version=\"1.0\"?>" + signIn, "error page in HTML"},
		"a long page":            {longStyles + signIn + "< table <tabl <TABL", "error page in HTML"},
		"gzip of a long page":    {gzipped(t, longStyles+signIn), "error page in HTML"},
		"a page of old":          {page("<TITLE>502 Bad Gateway</TITLE><H1>Bad Gateway</H1>"), "error page in HTML"},
		"a page in UTF-16LE":     {"\xFF\xFE" + utf16s(binary.LittleEndian, signIn), "error page in HTML"},
		"a page in UTF-16BE":     {"\xFE\xFF" + utf16s(binary.BigEndian, signIn), "error page in HTML"},
		"without a mark, LE":     {utf16s(binary.LittleEndian, "\r\n"+signIn), "error page in HTML"},
		"without a mark, BE":     {utf16s(binary.BigEndian, signIn), "error page in HTML"},
		"a page in UTF-32":       {"\xFF\xFE\x00\x00" + utf32s(binary.LittleEndian, signIn), "error page in HTML"},
		"UTF-32, without mark":   {utf32s(binary.BigEndian, signIn), "error page in HTML"},
		"a JSON error":           {page(`{"Code": "Throttling.User", "Message": "slow down", "RequestId": "R-1"}`), "200 with an error: Throttling.User: slow down, R-1"},
		"one of a proxy":         {page(`{"status": 502, "error": {"type": "upstream", "reason": "no healthy host"}}`), "error page in JSON"},
		"one with a number":      {page(`{"code": 401, "msg": "sign in"}`), "error page in JSON"},
		"one in UTF-16":          {utf16s(binary.LittleEndian, page(`{"success": false, "err_msg": "x"}`)), "error page in JSON"},
		"one longer than a head": {`{"trace": [` + strings.Repeat(`"at x", `, 100) + `""], "message": "` + strings.Repeat("x", 10000) + `"}`, "error page in JSON"},
	} {
		for _, piece := range []int{7, 256 << 10} {
			_, err := look("r.xls", c.body, piece)
			if err == nil || !strings.Contains(err.Error(), c.says) || fault.Of(err) != fault.Damaged && name != "gzip bomb" {
				t.Errorf("%s, in pieces of %d: %v (%s), want %q", name, piece, err, fault.Of(err), c.says)
			}
		}
	}
}

// FuzzInspect: any body is recognized or refused, whatever its pieces were, with
// words that are known.
func FuzzInspect(f *testing.F) {
	for _, body := range []string{compound(3), workbookHTML, signIn, sheetXML, `{"a":[`, utf16s(binary.LittleEndian, signIn), gzipped(f, signIn), zipped1(f, "a", "")} {
		f.Add([]byte(body), "gzip")
	}
	f.Fuzz(func(t *testing.T, body []byte, encoding string) {
		whole, err := look("r.xls", string(body), 1<<20, "Content-Encoding", encoding)
		pieces, err2 := look("r.xls", string(body), 5, "Content-Encoding", encoding)
		if fault.Of(err) != fault.Of(err2) || whole.Container != pieces.Container || !slices.Equal(whole.Anomalies, pieces.Anomalies) {
			t.Errorf("whole: %s %v %v; in pieces: %s %v %v", whole.Container, whole.Anomalies, err, pieces.Container, pieces.Anomalies, err2)
		}
		for _, a := range whole.Anomalies {
			if !slices.Contains(evidence.Anomalies(), evidence.Anomaly(a)) {
				t.Errorf("anomaly %q", a)
			}
		}
		switch fault.Of(err) {
		case "", fault.Damaged, fault.LinkExpired, fault.TooLarge:
		default:
			t.Errorf("reason %q: %v", fault.Of(err), err)
		}
		if _, err := recognize(body, url.Values{}); err != nil && strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("message %q", err)
		}
	})
}
