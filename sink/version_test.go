package sink_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// versioned is a sink that keeps versions. The first call of each method fails.
type versioned struct {
	sink.Sink
	listed, opened int
}

var busy = fault.New(fault.SinkUnavailable, "busy")

func (v *versioned) Versions(_ context.Context, key string, most int) ([]string, error) {
	if v.listed++; v.listed == 1 {
		return nil, busy
	}
	return []string{key + "2", key + "1"}[:most], nil
}

func (v *versioned) OpenVersion(_ context.Context, key, version string) (io.ReadCloser, error) {
	if v.opened++; v.opened == 1 {
		return nil, busy
	}
	return io.NopCloser(strings.NewReader(key + version)), nil
}

// TestVersions: versions are read through whatever is around a sink; one that keeps none has none.
func TestVersions(t *testing.T) {
	t.Parallel()
	around := func(s sink.Sink) sink.Sink {
		measured := sink.Measured(s, "m", sink.NewMetrics(prometheus.NewRegistry(), nil))
		return sink.Retrying(sink.Traced(measured, "m"), fault.Backoff{Base: time.Millisecond}, 2)
	}
	s := around(&versioned{Sink: sink.NewMemory()})
	if got, err := sink.Versions(t.Context(), s, "k", 1); err != nil || !slices.Equal(got, []string{"k2"}) {
		t.Errorf("%q, %v", got, err)
	}
	r, err := sink.OpenVersion(t.Context(), s, "k", "k2")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != "kk2" {
		t.Errorf("%q, %v", b, err)
	}
	s = around(sink.NewMemory())
	if got, err := sink.Versions(t.Context(), s, "k", 1); err != nil || got != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := sink.OpenVersion(t.Context(), s, "k", "1"); fault.Of(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
}
