package fetcher_test

import (
	"testing"

	"go.uber.org/goleak"
)

// What downloads are cut, stalled or refused leaves no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
