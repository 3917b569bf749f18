package bundle_test

import (
	"os"
	"testing"

	"packseal.example/archive/audit"
	"packseal.example/archive/audit/audittest"
	"packseal.example/archive/bundle"
)

var all = audit.Reports{Mode: audit.AllReports}

func TestBundle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	raw, m := w.write(bundle.Options{Period: audittest.March(5, 9), Reports: all})
	if len(m.Findings) > 0 {
		t.Errorf("findings: %v", m.Findings)
	}
	r := w.audit(raw)
	for _, f := range r.Findings {
		t.Errorf("%s %s: %s", f.Word, f.Key, f.Sentence)
	}
	if r.Reports != 12 || r.Statement.Counts.Sealed != 12 {
		t.Errorf("%+v", r)
	}
	os.WriteFile("/tmp/b.zip", raw, 0o644)
	os.WriteFile("/tmp/b.key", []byte(w.Key), 0o644)
	os.WriteFile("/tmp/b.pem", w.authority.Root, 0o644)
}
