package daemon

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/config"
	"packseal.example/internal/evidence"
	"packseal.example/web"
)

// reloadStatus is how the last reload went; it outlives every engine.
type reloadStatus struct {
	ok, at prometheus.Gauge
	failed atomic.Bool
}

func newReloadStatus() *reloadStatus {
	s := &reloadStatus{
		ok: prometheus.NewGauge(prometheus.GaugeOpts{Name: "packseal_config_last_reload_successful", Help: "Whether the last load of the configuration succeeded."}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{Name: "packseal_config_last_reload_success_timestamp_seconds", Help: "When the configuration was last loaded with success."}),
	}
	s.set(true)
	return s
}

func (s *reloadStatus) set(ok bool) {
	s.failed.Store(!ok)
	s.ok.Set(0)
	if ok {
		s.ok.Set(1)
		s.at.SetToCurrentTime()
	}
}

// Describe and Collect make it a collector of its two gauges.
func (s *reloadStatus) Describe(ch chan<- *prometheus.Desc) { s.ok.Describe(ch); s.at.Describe(ch) }

// Collect hands over the two gauges.
func (s *reloadStatus) Collect(ch chan<- prometheus.Metric) { s.ok.Collect(ch); s.at.Collect(ch) }

// buildInfo is a constant 1 that names the version.
func buildInfo(version string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "packseal_build_info", Help: "Constant 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	}, func() float64 { return 1 })
}

// packs is what the page shows of every pack.
func (d *Daemon) packs() []web.Pack {
	e := d.engine.Load()
	if e == nil {
		return nil
	}
	all := make([]web.Pack, len(e.entries))
	for i, entry := range e.entries {
		all[i] = e.pack(entry)
	}
	return all
}

// overdueAfter is how long after its start a slot may be unsettled, beyond
// its time-out, before it is called overdue.
const overdueAfter = time.Minute

// overdue reports whether the pack's latest slot is past its time and not
// settled, and when it fell due. Page and notices go by it.
func (e *engine) overdue(entry config.Entry) (due time.Time, ok bool) {
	st := e.catalog.Status(entry.Pack.Source, entry.Pack.Key())
	due, _ = e.scheduler.Due(entry.Pack.Source, entry.Pack.Key())
	late := entry.Plan.Start(due).Add(entry.Plan.Timeout + overdueAfter)
	return due, st.Sealed+st.Gaps > 0 && later(st.LastSealed, st.LastGap).Due.Before(due) && time.Now().After(late)
}

// pack is what the page shows of one pack.
func (e *engine) pack(entry config.Entry) web.Pack {
	source, key := entry.Pack.Source, entry.Pack.Key()
	st := e.catalog.Status(source, key)
	last, next := e.scheduler.Due(source, key)
	p := web.Pack{
		Source: source, Key: key, Name: entry.Pack.Name, Schedule: entry.Schedule, TimeZone: entry.TimeZone,
		LastDue: last, NextDue: next, LastSealed: st.LastSealed.Settled, Counts: &web.Counts{Sealed: st.Sealed, Gaps: st.Gaps},
		LastGap: st.LastGap.Due, LastReason: st.LastGap.Reason, LastObject: st.LastSealed.Object,
		LastSHA256: st.LastSealed.SHA256, LastSize: st.LastSealed.Size, Trouble: st.Trouble, State: "waiting",
	}
	switch latest := later(st.LastSealed, st.LastGap); {
	case st.Working || st.Trouble != "":
		p.State = "working"
	case latest.State == evidence.Gapped:
		p.State = "gap"
	case latest.State == evidence.Sealed:
		p.State = "sealed"
	}
	if _, ok := e.overdue(entry); ok {
		p.State = "overdue"
	}
	if pause, ok := e.queue.Paused(source, key); ok {
		p.Paused = &web.Pause{Since: pause.Since, By: pause.By, Why: pause.Why}
	}
	return p
}

// later returns the record of the later slot.
func later(x, y evidence.Record) evidence.Record {
	if y.Due.After(x.Due) {
		return y
	}
	return x
}
