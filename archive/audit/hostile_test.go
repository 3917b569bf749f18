package audit_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"packseal.example/archive/audit"
	"packseal.example/archive/audit/audittest"
	"packseal.example/archive/ledger/tree"
)

// small returns a ledger of a few days, and the files of its bundle.
func small(t testing.TB) (*audittest.Ledger, audittest.Files) {
	t.Helper()
	l := audittest.New(t)
	l.Run(audittest.Moment(1, 0, 0), audittest.Moment(6, 0, 0))
	return l, l.Bundle(audittest.March(1, 4))
}

// extra writes a bundle with further files, as they are.
func extra(t testing.TB, f audittest.Files, more ...zipped) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, raw := range f {
		more = append(more, zipped{FileHeader: zip.FileHeader{Name: name, Method: zip.Deflate}, raw: raw})
	}
	for _, m := range more {
		create := w.CreateHeader
		if m.CompressedSize64 > 0 { // raw is deflated already
			create = w.CreateRaw
		}
		file, err := create(&m.FileHeader)
		if err != nil {
			t.Fatal(err)
		}
		for range max(m.times, 1) {
			if _, err := file.Write(m.raw); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zipped is a file of a zip: raw, so many times.
type zipped struct {
	zip.FileHeader
	raw   []byte
	times int
}

// bomb is a file of 20 MiB of blanks. To deflate them takes long.
func bomb(name string) zipped {
	b := blanks()
	b.Name = name
	return b
}

var blanks = sync.OnceValue(func() zipped {
	const size = 20 << 20
	var b bytes.Buffer
	text := bytes.Repeat([]byte(" "), size)
	w, _ := flate.NewWriter(&b, flate.BestSpeed)
	w.Write(text) //nolint:errcheck // into memory
	w.Close()     //nolint:errcheck
	return zipped{zip.FileHeader{Method: zip.Deflate, CRC32: crc32.ChecksumIEEE(text), CompressedSize64: uint64(b.Len()), UncompressedSize64: size}, b.Bytes(), 1}
})

func named(name string) zipped {
	return zipped{FileHeader: zip.FileHeader{Name: name}, raw: []byte("x")}
}

// TestHostile: zips that strangers make. Each ends soon, in little memory, with a word.
// It runs alone, so as to see the memory of nothing else.
func TestHostile(t *testing.T) {
	l, f := small(t)
	whole := f.Zip(t)
	link := named("keys/link")
	link.SetMode(fs.ModeSymlink | 0o777)
	without := func(name string) audittest.Files {
		g := audittest.Files{}
		for n, raw := range f {
			if n != name {
				g[n] = raw
			}
		}
		return g
	}
	instead := func(name string, raw string, times int) []byte {
		return extra(t, without(name), zipped{zip.FileHeader{Name: name, Method: zip.Deflate}, []byte(raw), times})
	}
	many := make([]zipped, 66_000)
	for i := range many {
		many[i] = named(fmt.Sprintf("notes/%d", i))
	}
	longKey := "prod/" + strings.Repeat("k", tree.MaxEntry)
	for name, c := range map[string]struct {
		raw   []byte
		words string
	}{
		"empty":                {nil, "unreadable"},
		"no zip":               {[]byte("PK\x03\x04 not really"), "unreadable"},
		"cut in the middle":    {whole[:len(whole)/2], "unreadable"},
		"cut at the end":       {whole[:len(whole)-1], "unreadable"},
		"no files":             {extra(t, nil), "unreadable"},
		"doubled name":         {extra(t, f, named(audit.LeavesName), named("keys/x")), "doubled unreadable"},
		"absolute path":        {extra(t, f, named("/etc/passwd")), "unsafe"},
		"parent folder":        {extra(t, f, named("reports/../../x")), "unsafe"},
		"backslashes":          {extra(t, f, named(`..\..\x`)), "unsafe"},
		"drive":                {extra(t, f, named(`C:\x`)), "unsafe"},
		"CR in a name":         {extra(t, f, named("keys/a\rb")), "unsafe"},
		"NUL in a name":        {extra(t, f, named("keys/a\x00b")), "unsafe"},
		"not UTF-8":            {extra(t, f, named("keys/\xff")), "unsafe"},
		"long name":            {extra(t, f, named("keys/"+strings.Repeat("x", 1300))), "unsafe"},
		"link":                 {extra(t, f, link), "unsafe"},
		"folders":              {extra(t, f, zipped{FileHeader: zip.FileHeader{Name: "keys/"}}), ""},
		"foreign files":        {extra(t, f, named("readme.txt")), ""},
		"66,000 files":         {extra(t, f, many...), ""},
		"no statement":         {without(audit.StatementName).Zip(t), "unreadable"},
		"no edge":              {without(audit.EdgeName).Zip(t), "unreadable"},
		"no leaves":            {without(audit.LeavesName).Zip(t), "unreadable"},
		"statement, doubled":   {instead(audit.StatementName, strings.Replace(string(f[audit.StatementName]), `"gap":`, `"gap":9,"gap":`, 1), 1), "doubled"},
		"statement, two cases": {instead(audit.StatementName, strings.Replace(string(f[audit.StatementName]), `"until":`, `"UNTIL":"2026-03-02T00:00:00Z","until":`, 1), 1), "doubled"},
		"statement, long s":    {instead(audit.StatementName, strings.Replace(string(f[audit.StatementName]), `"schema":`, `"\u017fchema":"x","schema":`, 1), 1), "doubled"},
		"statement of nothing": {instead(audit.StatementName, "{}", 1), "unreadable"},
		"statement of ages":    {instead(audit.StatementName, `{"schema":"packseal.statement/v1","from":"0001-01-01T00:00:00Z","until":"9999-01-01T00:00:00Z"}`, 1), "unreadable"},
		"statement deep":       {instead(audit.StatementName, "[", 1<<20), "unreadable"},
		"statement bomb":       {extra(t, without(audit.StatementName), bomb(audit.StatementName)), "unreadable"},
		"edge bomb":            {extra(t, without(audit.EdgeName), bomb(audit.EdgeName)), "unreadable"},
		"leaves, one line":     {extra(t, without(audit.LeavesName), bomb(audit.LeavesName)), "unreadable"},
		"leaves, one entry":    {instead(audit.LeavesName, strings.Repeat(l.Entries[0].String()+"\n", 1000), 20), "unreadable"},
		"leaves without end":   {instead(audit.LeavesName, l.Entries[0].String(), 1), "unreadable"},
		"leaves with CR":       {instead(audit.LeavesName, l.Entries[0].String()+"\r\n", 1), "unreadable"},
		"key of a parent":      {instead(audit.LeavesName, strings.Repeat("0", 64)+"  ../x\n", 1), "unreadable"},
		"long key":             {instead(audit.LeavesName, strings.Repeat("0", 64)+"  "+longKey+"\n", 1), "unreadable"},
		"key of 1,200 bytes":   {instead(audit.LeavesName, strings.Repeat("0", 64)+"  "+longKey[:tree.MaxEntry-66]+"\n", 1), "altered"},
		"records bomb":         {extra(t, f, zipped{zip.FileHeader{Name: "records/2026-04.jsonl", Method: zip.Deflate}, bytes.Repeat([]byte("{}\n"), 1<<16), 10}), "unlogged"},
		"record, one line":     {extra(t, f, bomb("records/2026-04.jsonl")), "unreadable"},
		"report bomb":          {extra(t, without(last(f, "reports/", ".xls")), bomb(last(f, "reports/", ".xls"))), "altered"},
		"checkpoint bomb":      {extra(t, f, bomb("checkpoints/999")), "unreadable"},
		"checkpoint's number":  {extra(t, f, named("checkpoints/9999")), "unreadable"},
		"token of none":        {extra(t, f, named("checkpoints/999.tsa.tsr")), "unreadable"},
		"token bomb":           {extra(t, f, bomb("checkpoints/003.other.tsr")), "unreadable"},
		"unknown method":       {patched(t, whole), "unreadable"},
		"sizes that lie":       {lying(whole), "unreadable"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begin := time.Now()
			r, err := audit.Bundle(bytes.NewReader(c.raw), int64(len(c.raw)), options(l))
			runtime.ReadMemStats(&after)
			if err != nil || words(r.Findings) != c.words {
				t.Errorf("%q, want %q, %v", words(r.Findings), c.words, err)
				for _, f := range r.Findings[:min(len(r.Findings), 10)] {
					t.Logf("%s %q %.200s", f.Word, f.Key, f.Sentence)
				}
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 300<<20 || time.Since(begin) > time.Minute {
				t.Errorf("it took %d MiB and %s", used>>20, time.Since(begin))
			}
			for _, text := range []string{r.Text(audit.English), r.Text(audit.Chinese)} {
				if strings.ContainsAny(text, "\r\x00\x1b") {
					t.Errorf("%q is not for a terminal", text)
				}
			}
		})
	}
}

// patched returns a zip whose files say that they are compressed in a way that is not
// known.
func patched(t testing.TB, whole []byte) []byte {
	t.Helper()
	raw := bytes.Clone(whole)
	for i := 0; i+12 < len(raw); i++ {
		if bytes.HasPrefix(raw[i:], []byte("PK\x01\x02")) {
			binary.LittleEndian.PutUint16(raw[i+10:], 99)
		}
	}
	return raw
}

// lying returns a zip whose files say that they are of one byte.
func lying(whole []byte) []byte {
	raw := bytes.Clone(whole)
	for i := 0; i+30 < len(raw); i++ {
		if bytes.HasPrefix(raw[i:], []byte("PK\x01\x02")) {
			binary.LittleEndian.PutUint32(raw[i+24:], 1)
		}
	}
	return raw
}

// TestWritesNothing: whatever the names in a bundle, no file comes of it.
func TestWritesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	l, f := small(t)
	raw := extra(t, f, named("../outside"), named("/"+filepath.ToSlash(dir)+"/absolute"))
	if _, err := audit.Bundle(bytes.NewReader(raw), int64(len(raw)), options(l)); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		names, err := os.ReadDir(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if !n.IsDir() {
				t.Errorf("%s is there", filepath.Join(d, n.Name()))
			}
		}
	}
}

// FuzzBundle: what a stranger hands in as a bundle comes to a result.
func FuzzBundle(f *testing.F) {
	l, files := small(f)
	f.Add(files.Zip(f))
	o := options(l)
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := audit.Bundle(bytes.NewReader(raw), int64(len(raw)), o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Statement == nil && len(r.Findings) == 0 {
			t.Error("neither a statement nor a finding")
		}
		if r.Text(audit.Chinese) == "" {
			t.Error("it says nothing")
		}
	})
}

// FuzzFiles: as FuzzBundle, of the files that a bundle has.
func FuzzFiles(f *testing.F) {
	l, files := small(f)
	o := options(l)
	for _, name := range []string{audit.StatementName, audit.EdgeName, audit.LeavesName, audit.LedgerRecords, audit.CheckpointName(5)} {
		f.Add(name, files[name])
	}
	f.Fuzz(func(t *testing.T, name string, raw []byte) {
		changed := audittest.Files{}
		for n, raw := range files {
			changed[n] = raw
		}
		changed[name] = raw
		r := audited(t, changed, o)
		if r.Statement == nil && len(r.Findings) == 0 {
			t.Error("neither a statement nor a finding")
		}
	})
}
