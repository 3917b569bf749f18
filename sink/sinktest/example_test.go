package sinktest_test

import (
	"testing"

	"packseal.example/sink"
	"packseal.example/sink/sinktest"
)

var t *testing.T // of the backend's TestContract

// The tests of a backend run the suite with sinks of that backend.
func ExampleRun() {
	sinktest.Run(t, func(t *testing.T) sink.Sink {
		return sink.NewMemory()
	})
}
