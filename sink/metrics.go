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
	contacts map[string]Contact
}

// Contact is how a sink has answered.
type Contact struct {
	Reached time.Time // when it last did; zero = not yet
	Down    time.Time // since when it can't be used; zero = it can, or was not asked yet
	Err     error     // with Down: the last error
}

// Contact returns how a sink has answered so far.
func (m *Metrics) Contact(name string) Contact {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.contacts[name]
}

// contact records an answer, or with an error that there was none or a refusal.
func (m *Metrics) contact(name string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, c := time.Now(), m.contacts[name]
	up := 0.0
	switch {
	case err == nil:
		c, up = Contact{Reached: now}, 1
	case c.Down.IsZero():
		c.Down = now
		fallthrough
	default:
		c.Err = err
	}
	m.contacts[name] = c
	m.up.WithLabelValues(name).Set(up)
}

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
		contacts: make(map[string]Contact),
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
	m.done("put", time.Since(start), err)
	return err
}

// Open implements [Sink]. The duration does not include reading the object.
func (m measured) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	start := time.Now()
	rc, err := m.sink.Open(ctx, key)
	m.done("open", time.Since(start), err)
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
				m.done("list", spent, last)
				return
			}
			start = time.Now()
		}
		m.done("list", spent+time.Since(start), last)
	}
}

// done counts an operation that ended with err and sets the gauge "up": to 1 for
// any result that a healthy storage can give, such as a conflict. It keeps its
// value if the result says nothing about the storage, such as a cancellation.
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
	case resultOK, resultNotExist, string(fault.Conflict), string(fault.Deleted), string(fault.NotRestored), string(fault.Throttled):
		m.contact(m.name, nil)
	case string(fault.SinkUnavailable), string(fault.SinkDenied), string(fault.Credentials):
		m.contact(m.name, err)
	}
}
