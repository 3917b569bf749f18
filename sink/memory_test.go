package sink_test

import (
	"testing"

	"packseal.example/sink"
	"packseal.example/sink/sinktest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, func(*testing.T) sink.Sink { return sink.NewMemory() })
}
