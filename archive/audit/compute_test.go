package audit_test

import (
	"testing"

	"packseal.example/archive/audit"
)

// TestStatement: of a ledger in which nothing is wrong.
func TestStatement(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.run(moment(1, 0, 0), moment(12, 0, 0))
	for _, p := range []audit.Period{march(1, 10), march(3, 10)} {
		s, err := audit.Compute(l.input(p))
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := s.Encode()
		t.Logf("%s", raw)
		if len(s.Findings) > 0 {
			t.Errorf("%v", s.Findings)
		}
	}
}
