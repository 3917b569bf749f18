package dingtalk

import "testing"

// TestSign holds the signature against one that OpenSSL made.
func TestSign(t *testing.T) {
	t.Parallel()
	const want = "figG6qqCA/lRh0hsGCW2zNtNV5znkAFut5BI0zKhqnQ="
	if got := sign("1700000000000", "SECexample0123456789"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
