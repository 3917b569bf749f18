package evidence_test

import (
	"testing"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/sink"
)

func TestParseKey(t *testing.T) {
	t.Parallel()
	s := evidence.Slot{Source: "prod", Pack: "ca-1/cp-1", Due: time.Date(2026, 5, 1, 18, 0, 0, 0, time.UTC)}
	if got, name, ok := evidence.ParseKey(s.Dir() + "manifest.json"); !ok || got != s || name != "manifest.json" {
		t.Errorf("parsed %v, %q, %t", got, name, ok)
	}
	for _, key := range []string{"", "a", "prod/cp-1/2026/05/x/manifest.json", "prod/cp-1/2026/06/20260501T180000Z/manifest.json", "prod/a/b/c/2026/05/20260501T180000Z/m", "prod/2026/05/20260501T180000Z/m", "packseal-ledger/cp-1/2026/05/20260501T180000Z/manifest.json"} {
		if s, _, ok := evidence.ParseKey(key); ok {
			t.Errorf("%q is taken for slot %s", key, s)
		}
	}
}

// FuzzParseKey: a stranger's key is one of the layout's, and then it is its
// slot's own, or it is not looked at.
func FuzzParseKey(f *testing.F) {
	f.Add("prod/cp-1/2026/05/20260501T180000Z/manifest.json")
	f.Fuzz(func(t *testing.T, key string) {
		s, name, ok := evidence.ParseKey(key)
		if !ok {
			return
		}
		if s.Dir()+name != key || s.Due.Location() != time.UTC {
			t.Errorf("%q is taken for %q of slot %s", key, name, s)
		}
		// What no sink would hold leads no further than its own slot.
		if again, _, ok := evidence.ParseKey(s.Dir() + evidence.GapName); sink.CheckKey(key) == nil && (!ok || again != s) {
			t.Errorf("%q is taken for slot %s, whose gap is another's: %s", key, s, again)
		}
	})
}

func TestIsLedger(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		evidence.LedgerDir + "batch/000": true, evidence.LedgerDir + "tile/entries/x001/234": true, evidence.LedgerDir + "stamp/000/a.tsr": true, evidence.LedgerDir + "key/0123456789ab.json": true,
		evidence.LedgerDir + "batch": false, evidence.LedgerDir + "batch/": false, evidence.LedgerDir + "found/prod/cp-1": false, evidence.LedgerDir: false, "prod/batch/000": false, "packseal-ledgers/batch/000": false,
	} {
		if got := evidence.IsLedger(key); got != want {
			t.Errorf("%q: %v", key, got)
		}
	}
}
