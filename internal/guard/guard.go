// Package guard turns a panic into an error, so that it costs the work at hand
// and not the process.
package guard

import (
	"runtime/debug"

	"packseal.example/internal/fault"
)

// Call calls f and returns its error. When f panics, it calls caught with the
// panic's value and stack, for logs and metrics, and returns an error that is
// fault.Internal.
func Call(f func() error, caught func(value any, stack string)) (err error) {
	defer func() {
		if v := recover(); v != nil {
			caught(v, string(debug.Stack()))
			err = fault.New(fault.Internal, "panic: %v", v)
		}
	}()
	return f()
}
