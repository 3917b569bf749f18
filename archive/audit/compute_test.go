package audit_test

import (
	"testing"

	"packseal.example/archive/audit"
	"packseal.example/archive/audit/audittest"
)

// TestStatement: of a ledger in which nothing is wrong.
func TestStatement(t *testing.T) {
	t.Parallel()
	l := audittest.New(t)
	l.Run(audittest.Moment(1, 0, 0), audittest.Moment(12, 0, 0))
	for _, p := range []audit.Period{audittest.March(1, 10), audittest.March(3, 10)} {
		s, err := audit.Compute(l.Input(p))
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
