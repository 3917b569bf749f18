package archive

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// FuzzWritten: whatever a source says of its report, and whatever went wrong,
// the record of it can be read again, with the same bytes. A record that could
// not be is never written, for it would stay.
func FuzzWritten(f *testing.F) {
	f.Add("r.xls", "1234567890123456", "MLPS", "R-1", "the report was not made")
	f.Fuzz(func(t *testing.T, object, account, name, request, detail string) {
		r := sample()
		r.Name, r.Account, r.RequestIDs = object, account, []string{request}
		m := newManifest(r, evidence.Pack{Name: name}, time.Unix(0, 0), "packseal/test")
		raw, err := evidence.Encode(m)
		if err != nil {
			if len(object)+len(account)+len(name)+len(request) < evidence.MaxRecord/8 {
				t.Errorf("not written: %v", err)
			}
			return
		}
		back, err := evidence.DecodeManifest(raw, m.Slot())
		if err != nil {
			t.Fatalf("%q can't be read again: %v", raw, err)
		}
		m.SourceName, m.Account, m.Name, m.RequestIDs[0] = valid(object), valid(account), valid(name), valid(request)
		if diff := cmp.Diff(m, back); diff != "" {
			t.Errorf("read again it differs:\n%s", diff)
		}
		g := evidence.NewGap(m.Slot(), fault.Deadline, detail, time.Unix(0, 0), "packseal/test")
		if raw, err = evidence.Encode(g); err != nil {
			t.Fatal(err)
		}
		if _, err := evidence.DecodeGap(raw, m.Slot()); err != nil {
			t.Errorf("%q can't be read again: %v", raw, err)
		}
	})
}

// valid is s as JSON can hold it: each byte that is no UTF-8 becomes U+FFFD.
func valid(s string) string { return strings.Map(func(r rune) rune { return r }, s) }

// TestRecordTooLargeIsNotWritten: it could never be read.
func TestRecordTooLargeIsNotWritten(t *testing.T) {
	t.Parallel()
	r := sample()
	r.Name = strings.Repeat("x", evidence.MaxRecord)
	if _, err := evidence.Encode(newManifest(r, called, time.Unix(0, 0), "packseal/test")); fault.Of(err) != fault.Internal {
		t.Errorf("got %v", err)
	}
}
