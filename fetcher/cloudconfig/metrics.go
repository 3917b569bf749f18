package cloudconfig

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/metric"
)

// The codes of calls without an error code of the API.
const (
	codeOK       = "OK"
	codeTimeout  = "timeout"
	codeNetwork  = "network"
	codeCanceled = "canceled"
	codeDamaged  = "damaged" // status 200 with an invalid body
)

// metrics are those of one source, which is a label of the registerer. The label
// code has known error codes of the API, and "other" for all others, so that the
// number of series is bounded.
type metrics struct {
	requests  *prometheus.CounterVec
	throttled prometheus.Counter
	duration  *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "packseal_api_requests_total",
			Help: "Calls to the Config API including retries, by response code.",
		}, []string{"call", "code"}),
		throttled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "packseal_api_throttled_total",
			Help: "Calls that the Config API throttled.",
		}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "packseal_api_request_duration_seconds",
			Help:    "Duration of calls to the Config API, in seconds.",
			Buckets: []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
		}, []string{"call"}),
	}
	m.requests, m.throttled, m.duration = metric.Register(reg, m.requests), metric.Register(reg, m.throttled), metric.Register(reg, m.duration)
	for _, call := range callNames() {
		m.duration.WithLabelValues(call)
		for _, code := range codes() {
			m.requests.WithLabelValues(call, code)
		}
	}
	return m
}

// codes returns all values of the label code.
func codes() []string {
	all := []string{codeOK, codeTimeout, codeNetwork, codeCanceled, codeDamaged, other}
	for _, r := range rules() {
		all = append(all, r.family())
	}
	return all
}

// sent records a try that ends now.
func (m *metrics) sent(call, code string, start time.Time) {
	m.requests.WithLabelValues(call, code).Inc()
	m.duration.WithLabelValues(call).Observe(time.Since(start).Seconds())
}
