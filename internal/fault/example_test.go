package fault_test

import (
	"context"
	"fmt"
	"time"

	"packseal.example/internal/fault"
)

// A call is retried while its failure may pass, and no longer.
func ExampleRetry() {
	tries := 0
	call := func() error {
		if tries++; tries < 3 {
			return fault.New(fault.Unavailable, "no answer")
		}
		return fault.New(fault.Request, "no such pack").WithHint("packseal list prints packs")
	}
	err := fault.Retry(context.Background(), 10, fault.Backoff{Base: time.Millisecond}, call)
	fmt.Println(tries, err, fault.Of(err) == fault.Request)
	// Output: 3 no such pack true
}
