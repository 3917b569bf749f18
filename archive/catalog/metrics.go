package catalog

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"packseal.example/internal/evidence"
)

// The metrics of packs.
var (
	byPack   = []string{"source", "pack"}
	byResult = []string{"source", "pack", "result"}

	descSettled    = prometheus.NewDesc("packseal_slots_total", "Slots that this process has settled, by how they ended.", byResult, nil)
	descSlots      = prometheus.NewDesc("packseal_archive_slots", "Slots in the archive, by how they ended. Absent until the pack's history was read.", byResult, nil)
	descLastSealed = prometheus.NewDesc("packseal_last_sealed_timestamp_seconds", "When the pack's latest sealed report was sealed, or, of an imported one, fell due; 0 when there is none.", byPack, nil)
	descLastGap    = prometheus.NewDesc("packseal_last_gap_timestamp_seconds", "When the pack's latest slot without a report was recorded as a gap; 0 when there is none.", byPack, nil)
	descCreated    = prometheus.NewDesc("packseal_report_created_timestamp_seconds", "When the pack's latest sealed report was made, by Config's clock; 0 when there is none, or it was imported.", byPack, nil)
	descBytes      = prometheus.NewDesc("packseal_report_bytes", "Size of the pack's latest sealed report; 0 when there is none.", byPack, nil)
)

// Describe names the metrics of packs.
func (c *Catalog) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descSettled, descSlots, descLastSealed, descLastGap, descCreated, descBytes} {
		ch <- d
	}
}

// Collect writes the metrics of the watched packs from memory. A gauge is
// absent until its value is known: 0 means that there is none.
func (c *Catalog) Collect(ch chan<- prometheus.Metric) {
	c.mu.RLock()
	all := make([]shown, len(c.watched))
	for i, p := range c.watched {
		all[i] = p.shown()
	}
	c.mu.RUnlock() // whoever reads ch may take his time
	names := newLabels()
	for _, s := range all {
		s.collect(ch, names)
	}
}

// shown is what the metrics show of a pack.
type shown struct {
	name
	counts, here counts
	complete     bool
	sealed, gap  row
}

func (p *pack) shown() shown {
	return shown{name{p.source, p.key}, counts{p.state.sealed, p.state.gaps}, p.here, p.complete(), p.lastSealed, p.lastGap}
}

// collect writes the pack's metrics.
func (s shown) collect(ch chan<- prometheus.Metric, names *labels) {
	plain, sealed, gap := names.of(s.name)
	ch <- &metric{descSettled, sealed, float64(s.here.sealed), true}
	ch <- &metric{descSettled, gap, float64(s.here.gaps), true}
	if s.complete {
		ch <- &metric{descSlots, sealed, float64(s.counts.sealed), false}
		ch <- &metric{descSlots, gap, float64(s.counts.gaps), false}
	}
	if known, w := s.latest(s.sealed); known {
		ch <- &metric{descLastSealed, plain, seconds(w.fresh()), false}
		ch <- &metric{descCreated, plain, seconds(w.created), false}
		ch <- &metric{descBytes, plain, float64(w.size), false}
	}
	if known, w := s.latest(s.gap); known {
		ch <- &metric{descLastGap, plain, seconds(w.settled), false}
	}
}

// latest reports whether a latest slot is known, or that there is none, which is
// the zero row.
func (s shown) latest(w row) (known bool, _ row) {
	if w.due == never {
		return s.complete, row{}
	}
	return !w.thin, w
}

// seconds is a time as Prometheus has it.
func seconds(ms int64) float64 {
	if ms == (time.Time{}).UnixMilli() {
		return 0
	}
	return float64(ms) / 1000
}

// metric is a value of one series. Unlike those that prometheus makes, many of
// them share their labels.
type metric struct {
	desc    *prometheus.Desc
	labels  []*dto.LabelPair
	value   float64
	counter bool
}

// Desc implements [prometheus.Metric].
func (m *metric) Desc() *prometheus.Desc { return m.desc }

// Write implements [prometheus.Metric].
func (m *metric) Write(out *dto.Metric) error {
	out.Label = m.labels
	if m.counter {
		out.Counter = &dto.Counter{Value: &m.value}
	} else {
		out.Gauge = &dto.Gauge{Value: &m.value}
	}
	return nil
}

// labels makes the label pairs of packs, sorted by name.
type labels struct {
	sources     map[string]*dto.LabelPair
	sealed, gap *dto.LabelPair
}

func newLabels() *labels {
	return &labels{make(map[string]*dto.LabelPair), pair("result", string(evidence.Sealed)), pair("result", string(evidence.Gapped))}
}

func pair(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }

// of returns a pack's labels, without a result and with each.
func (l *labels) of(n name) (plain, sealed, gap []*dto.LabelPair) {
	source := l.sources[n.source]
	if source == nil {
		source = pair("source", n.source)
		l.sources[n.source] = source
	}
	key := pair("pack", n.key)
	return []*dto.LabelPair{key, source}, []*dto.LabelPair{key, l.sealed, source}, []*dto.LabelPair{key, l.gap, source}
}
