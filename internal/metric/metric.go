// Package metric registers Prometheus collectors that may be there already, so
// that what is made anew at a reload goes on counting where it was.
package metric

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Register registers c and returns it; or, if an equal collector is registered
// already, returns that one. A nil reg registers nothing. It panics if c is not
// consistent with what is registered, as MustRegister does.
func Register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	if reg == nil {
		return c
	}
	err := reg.Register(c)
	if registered, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if old, ok := registered.ExistingCollector.(C); ok {
			return old
		}
	}
	if err != nil {
		panic(err)
	}
	return c
}
