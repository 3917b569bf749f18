package sink_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// weak is a sink in a weaker mode.
type weak struct{ *sink.Memory }

func (weak) Weaker() string { return "conditional_writes: off" }

// TestWeaker: what is around a sink does not hide that it is in a weaker mode.
func TestWeaker(t *testing.T) {
	t.Parallel()
	for want, inner := range map[string]sink.Sink{"": sink.NewMemory(), "conditional_writes: off": weak{sink.NewMemory()}} {
		measured := sink.Measured(inner, "m", sink.NewMetrics(prometheus.NewRegistry(), nil))
		if got := sink.Weaker(sink.Retrying(sink.Traced(measured, "m"), fault.Backoff{Base: time.Millisecond}, 2)); got != want {
			t.Errorf("%T is weaker by %q, want %q", inner, got, want)
		}
	}
}
