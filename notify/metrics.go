package notify

import "github.com/prometheus/client_golang/prometheus"

// The results of a try to send a message.
const (
	sent    = "sent"
	failed  = "failed"  // it is tried again
	refused = "refused" // it is given up
)

type metrics struct {
	notices *prometheus.CounterVec
	dropped *prometheus.CounterVec
	pending *prometheus.GaugeVec
	panics  prometheus.Counter
}

// newMetrics makes the series of every channel.
func newMetrics(reg prometheus.Registerer, entries []Entry) *metrics {
	m := &metrics{
		notices: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "packseal_notices_total", Help: "Tries to send a message to a channel, by what came of them.",
		}, []string{"channel", "result"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "packseal_notices_dropped_total", Help: "Events that a channel was not told one by one, because too many waited for it.",
		}, []string{"channel"}),
		pending: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "packseal_notices_pending", Help: "Events that a channel is still to be told.",
		}, []string{"channel"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "packseal_notices_panics_total", Help: "Panics caught while notices were made or sent.",
		}),
	}
	for _, e := range entries {
		for _, result := range []string{sent, failed, refused} {
			m.notices.WithLabelValues(e.Name, result)
		}
		m.dropped.WithLabelValues(e.Name)
		m.pending.WithLabelValues(e.Name)
	}
	if reg != nil {
		reg.MustRegister(m.notices, m.dropped, m.pending, m.panics)
	}
	return m
}

func (m *metrics) count(channel, result string) { m.notices.WithLabelValues(channel, result).Inc() }
