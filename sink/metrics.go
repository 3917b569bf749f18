package sink

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"packseal.example/internal/fault"
)

// Metrics are what [Measured] counts.
type Metrics struct {
	operations *prometheus.CounterVec   // sink, op, result
	duration   *prometheus.HistogramVec // sink, op
	up         *prometheus.GaugeVec     // sink
}

// The results that are no fault.Reason.
const (
	resultOK       = "ok"
	resultNotExist = "not_exist" // Open of a key that holds nothing: an answer, not a failure
)

// results are the values of the label result: what a sink can come to.
func results() []string {
	rs := []string{resultOK, resultNotExist}
	for _, r := range []fault.Reason{
		fault.Conflict, fault.SinkUnavailable, fault.SinkDenied, fault.Throttled, fault.Credentials,
		fault.Damaged, fault.Canceled, fault.Deadline, fault.Internal,
	} {
		rs = append(rs, string(r))
	}
	return rs
}

// NewMetrics registers the metrics of the sinks of those names, with every
// series there is. A nil reg registers nothing.
func NewMetrics(reg prometheus.Registerer, names []string) *Metrics {
	f := promauto.With(reg)
	m := &Metrics{
		operations: f.NewCounterVec(prometheus.CounterOpts{
			Name: "packseal_sink_operations_total",
			Help: "Operations on a sink, by what came of them.",
		}, []string{"sink", "op", "result"}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "packseal_sink_operation_duration_seconds",
			Help:    "Time that an operation on a sink took, in seconds.",
			Buckets: []float64{.001, .005, .025, .1, .5, 2.5, 10, 60},
		}, []string{"sink", "op"}),
		up: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "packseal_sink_up",
			Help: "1 when the last operation reached the storage, 0 when it did not, or when none was made yet.",
		}, []string{"sink"}),
	}
	for _, name := range names {
		m.up.WithLabelValues(name)
		for _, op := range []string{"put", "open", "list"} {
			m.duration.WithLabelValues(name, op)
			for _, result := range results() {
				m.operations.WithLabelValues(name, op, result)
			}
		}
	}
	return m
}

// Measured makes a Sink that counts s's operations under that name. Put it
// inside [Retrying], so that it sees each try.
func Measured(s Sink, name string, m *Metrics) Sink { return measured{s, name, m} }

// measured counts every call, also those that fail, by what came of them.
type measured struct {
	sink Sink
	name string
	*Metrics
}

// Put counts under "put". That a key holds other bytes is a result like any
// other here: the storage works.
func (m measured) Put(ctx context.Context, key string, c Content) error {
	start := time.Now()
	err := m.sink.Put(ctx, key, c)
	m.done("put", time.Since(start), err)
	return err
}

// Open counts the time until the reader is there; what its caller does with
// the reader, and for how long, is not the storage's.
func (m measured) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	start := time.Now()
	rc, err := m.sink.Open(ctx, key)
	m.done("open", time.Since(start), err)
	return rc, err
}

// List counts the time that the sink takes, without what its caller does
// between two entries.
func (m measured) List(ctx context.Context, prefix, after string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var spent time.Duration
		var last error
		start := time.Now()
		for e, err := range m.sink.List(ctx, prefix, after) {
			spent, last = spent+time.Since(start), err
			if !yield(e, err) {
				m.done("list", spent, last)
				return
			}
			start = time.Now()
		}
		m.done("list", spent+time.Since(start), last)
	}
}

// done counts one operation that ended with err, and sets sink_up by what it
// tells: an answer, even a refusal of a kind that a healthy store gives, is a
// sign of life; that we were asked to stop says nothing about the store, and
// leaves the gauge as it is.
func (m measured) done(op string, took time.Duration, err error) {
	m.duration.WithLabelValues(m.name, op).Observe(took.Seconds())
	result := resultOK
	switch reason := fault.Of(err); {
	case errors.Is(err, ErrNotExist):
		result = resultNotExist
	case err != nil:
		result = string(reason)
	}
	m.operations.WithLabelValues(m.name, op, result).Inc()
	switch result {
	case resultOK, resultNotExist, string(fault.Conflict), string(fault.Throttled):
		m.up.WithLabelValues(m.name).Set(1)
	case string(fault.SinkUnavailable), string(fault.SinkDenied), string(fault.Credentials):
		m.up.WithLabelValues(m.name).Set(0)
	}
}
