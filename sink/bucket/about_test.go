package bucket

import (
	"mime"
	"strings"
	"testing"

	"packseal.example/sink"
)

// FuzzAbout: headers are ASCII, in one line, and say the name.
func FuzzAbout(f *testing.F) {
	f.Add("2026-03-31 等保三级 (cp-1).xls")
	f.Fuzz(func(t *testing.T, name string) {
		name = strings.ToValidUTF8(name, "?")
		header := ""
		if d := Disposition(name); d != nil {
			header = *d
		}
		facts := Metadata(sink.Content{About: sink.About{Facts: map[string]string{"name": name}}})
		for _, s := range []string{header, facts["name"]} {
			if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%q", s)
			}
		}
		if name == "" {
			return
		}
		if _, params, err := mime.ParseMediaType(header); err != nil || params["filename"] != name && !strings.ContainsAny(name, `"\`) {
			t.Errorf("%q is %q, %v", header, params["filename"], err)
		}
	})
}
