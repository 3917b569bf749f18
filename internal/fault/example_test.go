package fault_test

import (
	"context"
	"fmt"
	"time"

	"packseal.example/internal/fault"
)

// A transient failure is retried; any other ends the retries.
func ExampleRetry() {
	backoff := fault.Backoff{Base: time.Millisecond}
	calls := 0
	err := fault.Retry(context.Background(), 5, backoff, func() error {
		switch calls++; calls {
		case 1:
			return fault.New(fault.Throttled, "too many requests")
		case 2:
			return fault.New(fault.Denied, "no permission").WithHint("grant it")
		}
		return nil
	})
	fmt.Printf("%v after %d calls: %s, hint: %s\n", err, calls, fault.Of(err), fault.Hint(err))
	// Output: no permission after 2 calls: denied, hint: grant it
}
