package evidence_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"packseal.example/internal/evidence"
)

func TestFileName(t *testing.T) {
	t.Parallel()
	late := time.Date(2026, 3, 30, 18, 5, 0, 0, time.UTC) // the 31st in Shanghai
	single, group := evidence.Ref("prod", "cp-1"), evidence.Ref("prod", "ca-1/cp-2")
	for _, c := range []struct {
		pack   evidence.Pack
		layout string
		want   string
	}{
		{evidence.Pack{PackRef: single, Name: "MLPS level 3", Zone: "Asia/Shanghai"}, time.DateOnly, "2026-03-31 MLPS level 3 (cp-1).xls"},
		{evidence.Pack{PackRef: single, Name: "MLPS level 3"}, time.DateOnly, "2026-03-30 MLPS level 3 (cp-1).xls"},
		{evidence.Pack{PackRef: single, Zone: "Asia/Shanghai"}, "2006-01-02 1504", "2026-03-31 0205 cp-1.xls"},
		{evidence.Pack{PackRef: group, Name: "等保三级", Zone: "No/Where"}, time.DateOnly, "2026-03-30 等保三级 (ca-1 cp-2).xls"},
		{evidence.Pack{PackRef: single, Name: " ../a\\b:\r\n\t\"c\"  d\u202e;%00. "}, time.DateOnly, "2026-03-30 _a_b_ _c_ d __00 (cp-1).xls"},
		{evidence.Pack{PackRef: single, Name: "\x00\xff."}, time.DateOnly, "2026-03-30 cp-1.xls"},
		{evidence.Pack{PackRef: single, Name: strings.Repeat("等", 200)}, time.DateOnly, "2026-03-30 " + strings.Repeat("等", 40) + " (cp-1).xls"},
	} {
		if got := c.pack.FileName(late, c.layout, "xls"); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// FuzzFileName: whatever a pack is called, the name is one line and one file's.
func FuzzFileName(f *testing.F) {
	f.Add("MLPS level 3", "Asia/Shanghai")
	f.Fuzz(func(t *testing.T, name, zone string) {
		p := evidence.Pack{PackRef: evidence.Ref("prod", "ca-1/cp-1"), Name: name, Zone: zone}
		got := p.FileName(time.Unix(0, 0), time.DateOnly, "xls")
		if filepath.Base(got) != got || !filepath.IsLocal(got) || len(got) > 200 || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) || strings.ContainsAny(got, `"\:;`) {
			t.Errorf("%q is %q", name, got)
		}
	})
}
