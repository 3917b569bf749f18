package sim_test

import (
	"testing"

	"packseal.example/fetcher/cloudconfig/sim"
)

// TestRotate: replaced keys are unknown.
func TestRotate(t *testing.T) {
	t.Parallel()
	s := one(t, sim.Script{})
	if a := call(t, s, "GetCompliancePackReport", "CompliancePackId", ordinary); a.Status != 200 {
		t.Errorf("before: %d %s", a.Status, a.JSON.Code)
	}
	for code, next := range map[string][3]string{
		"InvalidAccessKeyId.NotFound":                {"another", secret, ""},
		"SignatureDoesNotMatch":                      {keyID, "another", ""},
		"InvalidSecurityToken.MismatchWithAccessKey": {keyID, secret, "a token"},
	} {
		s.Rotate(next[0], next[1], next[2])
		if a := call(t, s, "GetCompliancePackReport", "CompliancePackId", ordinary); a.JSON.Code != code {
			t.Errorf("after: %d %s, want %s", a.Status, a.JSON.Code, code)
		}
	}
	s.Rotate(keyID, secret, "")
	if a := call(t, s, "GetCompliancePackReport", "CompliancePackId", ordinary); a.Status != 200 {
		t.Errorf("with the first ones again: %d %s", a.Status, a.JSON.Code)
	}
}
