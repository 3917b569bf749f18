package sim_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"packseal.example/fetcher/cloudconfig/sim"
)

// stream reads the stream of a compound file: the header, the directory, and the
// chain through the allocation table.
func stream(t *testing.T, file []byte) (string, []byte) {
	t.Helper()
	if len(file)%512 != 0 || !bytes.HasPrefix(file, []byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")) {
		t.Fatalf("no compound file: %d bytes", len(file))
	}
	u32 := func(b []byte, i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
	at := func(sector uint32) []byte { return file[512*(sector+1):][:512] }
	var table []byte
	for i := range u32(file, 44) {
		table = append(table, at(u32(file, 76+4*int(i)))...)
	}
	entry := at(u32(file, 48))[128:256]
	var name []uint16
	for i := 0; i < int(binary.LittleEndian.Uint16(entry[64:]))-2; i += 2 {
		name = append(name, binary.LittleEndian.Uint16(entry[i:]))
	}
	var out []byte
	for s := u32(entry, 116); s != 0xFFFFFFFE; s = u32(table, 4*int(s)) {
		out = append(out, at(s)...)
	}
	if len(out) < int(u32(entry, 120)) {
		t.Fatalf("a chain of %d bytes for %d", len(out), u32(entry, 120))
	}
	return string(utf16.Decode(name)), out
}

// records counts the records of a BIFF stream by kind. It checks that the stream is
// a sequence of records and zeros, and that the offsets in the globals are those of
// sheets.
func records(t *testing.T, biff []byte) map[uint16]int {
	t.Helper()
	n := map[uint16]int{}
	for at := 0; at+4 <= len(biff); {
		kind, size := binary.LittleEndian.Uint16(biff[at:]), int(binary.LittleEndian.Uint16(biff[at+2:]))
		if kind == 0 {
			break
		}
		if size > 8224 || at+4+size > len(biff) {
			t.Fatalf("record %#x at %d has %d bytes", kind, at, size)
		}
		if kind == 0x85 {
			if place := binary.LittleEndian.Uint32(biff[at+4:]); binary.LittleEndian.Uint16(biff[place:]) != 0x809 {
				t.Errorf("no sheet begins at %d", place)
			}
		}
		n[kind]++
		at += 4 + size
	}
	return n
}

// TestWorkbook reads workbooks of several sizes.
func TestWorkbook(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 48 << 10, 1 << 20, 4 << 20} {
		s := one(t, sim.Script{Size: size})
		link := report(t, s, ordinary)
		body := get(t, s, link).Body
		if len(body) < size || !bytes.Equal(body, get(t, s, link).Body) {
			t.Errorf("%d bytes for %d, or another body at the second look", len(body), size)
		}
		name, biff := stream(t, body)
		n := records(t, biff)
		if name != "Workbook" || n[0x85] != 2 || n[0x809] != 3 || n[0x0A] != 3 || n[0xFC] != 1 || n[0xFD] < 40 {
			t.Errorf("stream %q with records %v", name, n)
		}
		if size > 1<<20 && n[0x3C] == 0 {
			t.Error("many strings, and none in a CONTINUE record")
		}
	}
}

// TestReportsDiffer: all reports are different.
func TestReportsDiffer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, sim.Options{Packs: []sim.Pack{{ID: ordinary}, {ID: "cp-2"}}})
		first := get(t, s, report(t, s, ordinary)).Body
		other := get(t, s, report(t, s, "cp-2")).Body
		time.Sleep(time.Second)
		second := get(t, s, report(t, s, ordinary)).Body
		if bytes.Equal(first, second) || bytes.Equal(first, other) {
			t.Error("the same body twice")
		}
	})
}

// group generates the report of an account group.
func group(t *testing.T, script sim.Script) []byte {
	t.Helper()
	kv := []string{"CompliancePackId", "cp-1", "AggregatorId", "ca-1"}
	s := newServer(t, sim.Options{Packs: []sim.Pack{{ID: "cp-1", Aggregator: "ca-1", Script: script}}})
	call(t, s, "GenerateAggregateCompliancePackReport", kv...)
	return get(t, s, call(t, s, "GetAggregateCompliancePackReport", kv...).JSON.CompliancePackReport.ReportUrl).Body
}

// TestZip reads the archive of an account group.
func TestZip(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 100 << 10} {
		body := group(t, sim.Script{Size: size})
		z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
		if err != nil || len(z.File) != 3 || len(body) < size {
			t.Fatalf("%v: %d bytes for %d", err, len(body), size)
		}
		for _, f := range z.File {
			if f.Flags&0x800 == 0 || f.NonUTF8 || !strings.Contains(f.Name, "账号_cp-1.xls") || !strings.HasPrefix(f.Name, "12345678901234") {
				t.Errorf("member %q, flags %#x", f.Name, f.Flags)
			}
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			member, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if name, _ := stream(t, member); name != "Workbook" {
				t.Errorf("%s holds %q", f.Name, name)
			}
		}
	}
}

// TestBlob: parts of a blob match the whole, also across blocks; a large one has
// the headers of an object put in parts.
func TestBlob(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 7, 8, 9, 64 << 10, 64<<10 + 1, 300_000} {
		s := one(t, sim.Script{Blob: true, Size: size})
		whole := get(t, s, report(t, s, ordinary)).Body
		if len(whole) != size {
			t.Fatalf("%d bytes, want %d", len(whole), size)
		}
	}
	s := one(t, sim.Script{Blob: true, Size: 101 << 20})
	a := get(t, s, report(t, s, ordinary), rangeHeader(64<<10-3, 128<<10+3))
	if len(a.Body) != 64<<10+7 || a.Header.Get("Content-MD5") != "" || !strings.HasSuffix(a.Header.Get("ETag"), `-2"`) {
		t.Errorf("%d bytes, MD5 %q, ETag %s", len(a.Body), a.Header.Get("Content-MD5"), a.Header.Get("ETag"))
	}
	if bytes.Equal(a.Body[3:64<<10], a.Body[3+64<<10:]) {
		t.Error("two blocks are the same")
	}
}

// TestXlrd opens a workbook with xlrd.
func TestXlrd(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import xlrd").Run(); err != nil {
		missing(t, "no xlrd for %s: %v", python, err)
	}
	dir := t.TempDir()
	s := one(t, sim.Script{Size: 1 << 20})
	file := filepath.Join(dir, "report.xls")
	if err := os.WriteFile(file, get(t, s, report(t, s, ordinary)).Body, 0o600); err != nil {
		t.Fatal(err)
	}
	script := `import sys, xlrd
b = xlrd.open_workbook(sys.argv[1], formatting_info=True)
o, r = b.sheet_by_name("概览"), b.sheet_by_name("不合规资源")
print(b.biff_version, o.cell_value(1, 1), o.cell_value(2, 1), int(o.cell_value(6, 1)) == r.nrows - 1, *r.row_values(0))
assert all(r.cell_value(i, 5).endswith("。") and r.cell_value(i, 2).startswith("res-") for i in range(1, r.nrows))`
	cmd := command(t, dir, python, "-c", script, file)
	cmd.Env = append(os.Environ(), "PYTHONIOENCODING=utf-8")
	out, err := cmd.CombinedOutput()
	want := fmt.Sprintf("80 MLPS level 3 等保三级 %s True 规则名称 资源类型 资源ID 地域 风险等级 修复建议", ordinary)
	if got := strings.TrimSpace(string(out)); err != nil || got != want {
		t.Errorf("%v: %s\nwant %s", err, got, want)
	}
}

// missing skips a test for want of a component, but in CI.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("PACKSEAL_CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// command is a command that runs in a folder until the test ends.
func command(t *testing.T, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	return cmd
}
