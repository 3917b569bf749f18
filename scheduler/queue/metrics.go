package queue

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the queue's counters. Those of a source that was removed stay as
// they are, so that they go on if it comes back.
type metrics struct {
	redelivered *prometheus.CounterVec
	panics      *prometheus.CounterVec
}

// newMetrics registers the counters.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"source"})
	}
	m := &metrics{
		redelivered: counter("packseal_queue_redelivered_total", "Slots handed out again, after a failure that may pass, a shutdown or the death of a worker."),
		panics:      counter("packseal_queue_panics_total", "Panics caught while a slot was worked on."),
	}
	return m, errors.Join(reg.Register(m.redelivered), reg.Register(m.panics))
}

// add creates the series of a source.
func (m *metrics) add(source string) {
	m.redelivered.WithLabelValues(source)
	m.panics.WithLabelValues(source)
}

var (
	descPending = prometheus.NewDesc("packseal_queue_pending",
		"Slots in the queue: waiting, at work, or waiting for another try.", []string{"source"}, nil)
	descPlaces = prometheus.NewDesc("packseal_queue_places",
		"Reports that this replica may have in the making at once: its share of the source's max_in_flight.", []string{"source"}, nil)
	descPaused = prometheus.NewDesc("packseal_paused",
		"Pauses in force: of the source, or of packs of it, by packseal queue pause.", []string{"source"}, nil)
)

// gauges collects what is true at the moment of a scrape, for each source.
type gauges struct {
	stream *stream
	pauses *pauses
	shares func() map[string]int // each source's share of its limit in this replica
}

// Describe implements prometheus.Collector.
func (gauges) Describe(ch chan<- *prometheus.Desc) {
	ch <- descPending
	ch <- descPlaces
	ch <- descPaused
}

// Collect implements prometheus.Collector. A server that does not answer leaves
// the number of slots out rather than claiming that the queue is empty.
func (g gauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	gauge := func(desc *prometheus.Desc, value int, source string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), source)
	}
	kept, err := g.stream.kept(ctx, "*")
	pending := make(map[string]int)
	for subject, n := range kept {
		pending[g.stream.prefix.source(subject)] += int(n)
	}
	for source, share := range g.shares() {
		_, pauses, _ := g.pauses.source(source)
		gauge(descPlaces, share, source)
		gauge(descPaused, pauses, source)
		if err == nil {
			gauge(descPending, pending[source], source)
		}
	}
}
