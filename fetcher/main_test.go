package fetcher_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Downloads leave no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
