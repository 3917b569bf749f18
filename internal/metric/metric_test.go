package metric

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestRegister(t *testing.T) {
	t.Parallel()
	counter := func() prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "packseal_test_total", Help: "h"})
	}
	reg := prometheus.NewRegistry()
	labelled := prometheus.WrapRegistererWith(prometheus.Labels{"source": "prod"}, reg)
	first := Register(labelled, counter())
	first.Inc()
	if second := Register(labelled, counter()); second != first || testutil.ToFloat64(second) != 1 {
		t.Error("the second one counts anew")
	}
	if Register(nil, counter()) == first {
		t.Error("without a registerer, collectors are shared")
	}
	defer func() {
		if recover() == nil {
			t.Error("an inconsistent one is registered")
		}
	}()
	Register(labelled, prometheus.NewCounter(prometheus.CounterOpts{Name: "packseal_test_total", Help: "other"}))
}
