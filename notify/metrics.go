package notify

import "github.com/prometheus/client_golang/prometheus"

// The results of an attempt to send a message.
const (
	sent    = "sent"
	failed  = "failed"  // it is retried
	refused = "refused" // it is discarded
)

type metrics struct {
	notices *prometheus.CounterVec
	dropped *prometheus.CounterVec
	pending *prometheus.GaugeVec
	panics  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		notices: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "packseal_notices_total", Help: "Attempts to send a message to a channel, by result.",
		}, []string{"channel", "result"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "packseal_notices_dropped_total", Help: "Events that were not listed in a channel's messages, because too many were pending.",
		}, []string{"channel"}),
		pending: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "packseal_notices_pending", Help: "Events that are still to be sent to a channel.",
		}, []string{"channel"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "packseal_notices_panics_total", Help: "Panics caught while messages were made or sent.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.notices, m.dropped, m.pending, m.panics)
	}
	return m
}

// add makes the series of a channel.
func (m *metrics) add(channel string) {
	for _, result := range []string{sent, failed, refused} {
		m.notices.WithLabelValues(channel, result)
	}
	m.dropped.WithLabelValues(channel)
	m.pending.WithLabelValues(channel)
}

// remove deletes the series of a channel.
func (m *metrics) remove(channel string) {
	labels := prometheus.Labels{"channel": channel}
	m.notices.DeletePartialMatch(labels)
	m.dropped.DeletePartialMatch(labels)
	m.pending.DeletePartialMatch(labels)
}

func (m *metrics) count(channel, result string) { m.notices.WithLabelValues(channel, result).Inc() }
