package cloudconfig

import (
	"strings"
	"sync"
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
// number of series is bounded. The series of a call exist from its first use on,
// because most sources have reports of one kind; those of compliance packs from the
// start. Sources of member accounts have only those of what happened.
type metrics struct {
	requests  *prometheus.CounterVec
	throttled *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	limited   *prometheus.CounterVec
	limit     *prometheus.GaugeVec

	sparse bool // that there was no call with a code is not shown: there are thousands of sources

	mu   sync.Mutex
	used map[string]bool // calls whose series exist
}

func newMetrics(reg prometheus.Registerer, sparse bool) *metrics {
	byCall := []string{"call"}
	m := &metrics{
		requests: metric.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "packseal_api_requests_total",
			Help: "Calls to the Config API including retries, by response code.",
		}, []string{"call", "code"})),
		throttled: metric.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "packseal_api_throttled_total",
			Help: "Calls that the Config API throttled.",
		}, byCall)),
		duration: metric.Register(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "packseal_api_request_duration_seconds",
			Help:    "Duration of calls to the Config API, in seconds.",
			Buckets: []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
		}, byCall)),
		limited: metric.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "packseal_api_limited_seconds_total",
			Help: "Time that calls to the Config API were held back by the limits of the source and of the call, in seconds.",
		}, byCall)),
		limit: metric.Register(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "packseal_api_limit_calls_per_second",
			Help: "Calls to the Config API that this process may make in the long run, at the last one.",
		}, byCall)),
		sparse: sparse, used: make(map[string]bool),
	}
	for _, call := range callNames() {
		if !sparse && call != listAccounts && (strings.Contains(call, "CompliancePackReport") || strings.HasPrefix(call, "List") && !strings.Contains(call, "Template")) {
			m.use(call)
		}
	}
	return m
}

// use creates the series of a call, unless they exist.
func (m *metrics) use(call string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.used[call] {
		return
	}
	m.used[call] = true
	m.duration.WithLabelValues(call)
	m.throttled.WithLabelValues(call)
	m.limited.WithLabelValues(call)
	for _, code := range codes() {
		if m.sparse && code != codeOK {
			break
		}
		m.requests.WithLabelValues(call, code)
	}
}

// codes returns all values of the label code.
func codes() []string {
	all := []string{codeOK, codeTimeout, codeNetwork, codeCanceled, codeDamaged, other}
	for _, r := range rules() {
		all = append(all, r.family())
	}
	return all
}

// waited records how long a call was held back until now, and what its limit is.
func (m *metrics) waited(call string, start time.Time, perSecond float64) {
	m.use(call)
	m.limited.WithLabelValues(call).Add(time.Since(start).Seconds())
	m.limit.WithLabelValues(call).Set(perSecond)
}

// sent records a try that ends now.
func (m *metrics) sent(call, code string, start time.Time) {
	m.requests.WithLabelValues(call, code).Inc()
	m.duration.WithLabelValues(call).Observe(time.Since(start).Seconds())
}
