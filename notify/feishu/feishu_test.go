package feishu

import "testing"

// TestSign holds the signature against one that Python's hmac made.
func TestSign(t *testing.T) {
	t.Parallel()
	const want = "S7TuSij45SE3ul/eGkJ5Bwcxf8ZNyPIQzqpjNU85VYk="
	if got := sign("1700000000", "SECexample0123456789"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
