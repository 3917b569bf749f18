package sink

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"packseal.example/internal/fault"
)

// Metrics are the metrics of [Measured].
type Metrics struct {
	operations *prometheus.CounterVec   // sink, op, result
	duration   *prometheus.HistogramVec // sink, op
	up         *prometheus.GaugeVec     // sink

	mu       sync.Mutex
	contacts map[string]*contact
}

// The values of the label op.
const (
	opPut    = "put"
	opOpen   = "open"
	opList   = "list"
	opLock   = "lock"   // reading and extending locks
	opDelete = "delete" // by retention
)

// The results other than a fault.Reason.
const (
	resultOK       = "ok"
	resultNotExist = "not_exist" // Open of a key without an object, which is not a failure
)

// results returns the values of the label result.
func results() []string {
	rs := []string{resultOK, resultNotExist}
	for _, r := range []fault.Reason{
		fault.Conflict, fault.Deleted, fault.NotRestored, fault.SinkUnavailable, fault.SinkDenied, fault.Throttled, fault.Credentials,
		fault.Damaged, fault.Canceled, fault.Deadline, fault.Internal,
	} {
		rs = append(rs, string(r))
	}
	return rs
}

// NewMetrics registers the metrics of the sinks with those names and creates all
// their series. A nil reg registers nothing.
func NewMetrics(reg prometheus.Registerer, names []string) *Metrics {
	f := promauto.With(reg)
	m := &Metrics{
		contacts: make(map[string]*contact),
		operations: f.NewCounterVec(prometheus.CounterOpts{
			Name: "packseal_sink_operations_total",
			Help: "Operations on a sink, by result.",
		}, []string{"sink", "op", "result"}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "packseal_sink_operation_duration_seconds",
			Help:    "Duration of operations on a sink, in seconds.",
			Buckets: []float64{.001, .005, .025, .1, .5, 2.5, 10, 60},
		}, []string{"sink", "op"}),
		up: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "packseal_sink_up",
			Help: "1 when the storage answers, 0 when the last put, open or list did not reach it, or when none was made yet.",
		}, []string{"sink"}),
	}
	for _, name := range names {
		m.up.WithLabelValues(name)
		for _, op := range []string{opPut, opOpen, opList, opLock, opDelete} {
			m.duration.WithLabelValues(name, op)
			for _, result := range results() {
				m.operations.WithLabelValues(name, op, result)
			}
		}
	}
	return m
}

// Measured returns a Sink that counts the operations of s under that name. It
// goes inside [Retrying], to count each try.
func Measured(s Sink, name string, m *Metrics) Sink { return measured{s, name, m} }

type measured struct {
	sink Sink
	name string
	*Metrics
}

// Put implements [Sink].
func (m measured) Put(ctx context.Context, key string, c Content) error {
	start := time.Now()
	err := m.sink.Put(ctx, key, c)
	m.done(opPut, key, time.Since(start), err)
	return err
}

// Open implements [Sink]. The duration does not include reading the object.
func (m measured) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	start := time.Now()
	rc, err := m.sink.Open(ctx, key)
	m.done(opOpen, key, time.Since(start), err)
	return rc, err
}

// List implements [Sink]. The duration does not include the time that the caller
// takes between two entries.
func (m measured) List(ctx context.Context, prefix, after string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var spent time.Duration
		var last error
		start := time.Now()
		for e, err := range m.sink.List(ctx, prefix, after) {
			spent, last = spent+time.Since(start), err
			if !yield(e, err) {
				m.done(opList, prefix, spent, last)
				return
			}
			start = time.Now()
		}
		m.done(opList, prefix, spent+time.Since(start), last)
	}
}

// done counts an operation on a key, or on a prefix, that ended with err. Any
// result that a healthy storage can give, such as a conflict, shows that it
// answers; one such as a cancellation says nothing about it.
func (m measured) done(op, key string, took time.Duration, err error) {
	m.duration.WithLabelValues(m.name, op).Observe(took.Seconds())
	result := resultOK
	switch reason := fault.Of(err); {
	case errors.Is(err, ErrNotExist):
		result = resultNotExist
	case err != nil:
		result = string(reason)
	}
	m.operations.WithLabelValues(m.name, op, result).Inc()
	if op == opLock || op == opDelete { // sealing does without
		return
	}
	switch result {
	case resultOK, resultNotExist, string(fault.Conflict), string(fault.Deleted), string(fault.NotRestored), string(fault.Throttled):
		m.answered(m.name, op)
	case string(fault.SinkUnavailable), string(fault.SinkDenied), string(fault.Credentials):
		m.failed(m.name, op, key, err)
	}
}
