package daemon

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"packseal.example/archive"
	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/anchor"
	"packseal.example/archive/ledger/slate"
	"packseal.example/config"
	"packseal.example/internal/evidence"
)

// openLedger is a ledger with what writes its slates, and the fingerprint of what it was
// opened from.
type openLedger struct {
	*ledger.Ledger
	anchors *anchor.Anchors // nil for one verb
	slates  *slate.Writer
	key     string
	pruned  prunedReports
}

// openLedger opens the ledger of a configuration in its sinks, unless it is open
// already; nil = the configuration has none.
func (o opening) openLedger(cfg *config.Config, sinks []archive.Target) (*openLedger, error) {
	if cfg.Ledger == nil {
		return nil, nil
	}
	key := fingerprint(struct {
		Ledger *config.Ledger
		Sinks  []config.Sink
	}{cfg.Ledger, cfg.Sinks})
	if o.old != nil && o.old.ledger != nil && o.old.ledger.key == key {
		return o.old.ledger, nil
	}
	keys, err := ledger.ReadKeys(cfg.Ledger.KeyFile, cfg.Ledger.Origin)
	if err != nil {
		return nil, err
	}
	options := ledger.Options{
		Origin: cfg.Ledger.Origin, Keys: keys, Dir: ledgerDir(cfg), Tool: o.tool, Logger: o.logger,
		Every: cfg.Ledger.Interval, Overlap: cfg.Ledger.Overlap, Succeeds: epoch(cfg.Ledger.Succeeds, o.tool),
	}
	for _, s := range sinks {
		options.Sinks = append(options.Sinks, ledger.Target(s))
	}
	l, err := ledger.Open(options)
	if err != nil {
		return nil, err
	}
	opened := &openLedger{Ledger: l, key: key}
	if o.leads == nil {
		return opened, nil
	}
	opened.slates = slate.NewWriter(slate.Options{Ledger: l, Plans: o.plans, Tool: o.tool, Logger: o.logger})
	a := anchor.Options{Ledger: l, Leads: o.leads, Logger: o.logger}
	if a.Stamps, err = cfg.Ledger.Authorities(o.tool); err == nil {
		a.Witnesses, err = cfg.Ledger.Cosigners(o.tool)
	}
	opened.anchors = anchor.New(a)
	return opened, err
}

// ledgerDir is where a replica keeps how far it has seen the ledger.
func ledgerDir(cfg *config.Config) string { return filepath.Join(cfg.StateDir, "ledger") }

// epoch returns the record of the ledger that another one goes on from; nil = there is
// none.
func epoch(s *config.Succeeds, tool string) *evidence.Epoch {
	if s == nil {
		return nil
	}
	end, _ := s.End() // Load has refused a bad one
	return &evidence.Epoch{Origin: end.Origin, Size: end.Size, Root: end.Root.String(), Reason: s.Reason, Tool: tool}
}

// LedgerOptions say how [OpenLedger] opens the ledger. Required fields are marked.
type LedgerOptions struct {
	Tool   string       // "packseal/<version>", for records and servers; required
	Logger *slog.Logger // required
	Tracer trace.Tracer // nil = no traces
}

// OpenLedger opens the ledger of a configuration, which has one, for one verb. It is
// safe beside a daemon.
func OpenLedger(ctx context.Context, cfg *config.Config, o LedgerOptions) (*ledger.Ledger, error) {
	open := opening{tool: o.Tool, logger: o.Logger, tracer: o.Tracer, registries: newRegistries()}
	opened, err := open.openSinks(ctx, cfg)
	if err != nil {
		return nil, err
	}
	var sinks []archive.Target
	for _, s := range cfg.Sinks {
		sinks = append(sinks, opened[s.Name].Target)
	}
	l, err := open.openLedger(cfg, sinks)
	if err != nil {
		return nil, err
	}
	return l.Ledger, nil
}

// keepLedger appends to the runtime's ledger, if it has one, until ctx ends; the leader
// of the replicas writes slates and has it vouched for, too. It begins once that of the
// runtime before has ended.
func (r *runtime) keepLedger(ctx context.Context, old *runtime) error {
	defer close(r.committed)
	if old != nil {
		<-old.committed
	}
	if r.ledger == nil {
		return nil
	}
	appending, stop := context.WithCancel(context.WithoutCancel(ctx))
	var appended errgroup.Group
	appended.Go(func() error { return r.ledger.Run(appending) })
	appended.Go(func() error { r.ledger.anchors.Run(ctx); return nil })
	err := r.ledger.slates.Run(ctx, r.services.leads)
	stop() // it appends at its end what was logged until then
	return errors.Join(err, appended.Wait())
}

// ledger says how the ledger is; nil = there is none.
func (s *services) ledger() *evidence.LedgerStatus {
	r := s.runtime.Load()
	if r == nil || r.ledger == nil {
		return nil
	}
	shown := r.ledger.Show()
	r.ledger.anchors.Show(&shown)
	return &shown
}

// ledgerCollector shows how the ledger is, as this replica knows.
type ledgerCollector struct{ *services }

var (
	descBacklog   = prometheus.NewDesc("packseal_ledger_backlog", "Entries of this replica that the ledger does not have yet.", nil, nil)
	descCommitted = prometheus.NewDesc("packseal_ledger_last_commit_success_timestamp_seconds", "When this replica last followed the ledger to its end and appended what was owed; 0 when not since it started.", nil, nil)
	descInterval  = prometheus.NewDesc("packseal_ledger_interval_seconds", "How often this replica follows the ledger and appends what is owed.", nil, nil)
	descSize      = prometheus.NewDesc("packseal_ledger_size", "Entries in the ledger.", nil, nil)
	descBatches   = prometheus.NewDesc("packseal_ledger_batches", "Batch numbers of the ledger that are used up, void ones included.", nil, nil)
	descVoid      = prometheus.NewDesc("packseal_ledger_void_total", "Objects that this process found where batches of the ledger are, and that none of its keys signed.", nil, nil)
	descTroubles  = prometheus.NewDesc("packseal_ledger_problems", "Problems that the last commit to the ledger found, or that an authority or a witness tells of, by kind.", []string{"kind"}, nil)

	descStampAge    = prometheus.NewDesc("packseal_ledger_stamp_age_seconds", "How old the last time-stamp of the ledger by an authority is; +Inf when there is none.", []string{"tsa"}, nil)
	descStampFails  = prometheus.NewDesc("packseal_ledger_stamp_failures_total", "Time-stamps that this process failed to get of an authority.", []string{"tsa"}, nil)
	descClockOffset = prometheus.NewDesc("packseal_ledger_clock_offset_seconds", "How far this machine's clock was ahead of an authority's; NaN until this process asked it.", []string{"tsa"}, nil)
	descWitnessed   = prometheus.NewDesc("packseal_ledger_witnessed_size", "Entries of the last checkpoint that a witness cosigned; 0 when there is none.", []string{"witness"}, nil)
	descCosignFails = prometheus.NewDesc("packseal_ledger_witness_failures_total", "Cosignatures that this process failed to get of a witness.", []string{"witness"}, nil)
)

// Describe implements [prometheus.Collector].
func (ledgerCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descBacklog, descCommitted, descInterval, descSize, descBatches, descVoid, descTroubles, descStampAge, descStampFails, descClockOffset, descWitnessed, descCosignFails} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c ledgerCollector) Collect(ch chan<- prometheus.Metric) {
	r := c.runtime.Load()
	if r == nil || r.ledger == nil {
		return
	}
	s := r.ledger.Status()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	at := 0.0
	if !s.Committed.IsZero() {
		at = float64(s.Committed.Unix())
	}
	gauge(descBacklog, float64(s.Owed))
	gauge(descCommitted, at)
	gauge(descInterval, r.ledger.Every.Seconds())
	gauge(descSize, float64(s.Checkpoint.Size))
	gauge(descBatches, float64(s.Batches))
	ch <- prometheus.MustNewConstMetric(descVoid, prometheus.CounterValue, float64(s.Found[ledger.Void]))
	problems := make(map[ledger.Kind]int)
	for _, p := range s.Problems {
		problems[p.Kind]++
	}
	for _, a := range r.ledger.anchors.Status() {
		collectAnchor(ch, a)
		if a.Problem != nil {
			problems[a.Problem.Kind]++
		}
	}
	for _, k := range ledger.Kinds() {
		gauge(descTroubles, float64(problems[k]), string(k))
	}
}

// collectAnchor shows how far an authority or a witness has vouched for the ledger.
func collectAnchor(ch chan<- prometheus.Metric, a anchor.Status) {
	show := func(d *prometheus.Desc, t prometheus.ValueType, v float64) {
		ch <- prometheus.MustNewConstMetric(d, t, v, a.Name)
	}
	if a.Witness {
		show(descWitnessed, prometheus.GaugeValue, float64(a.Size))
		show(descCosignFails, prometheus.CounterValue, float64(a.Failures))
		return
	}
	age := math.Inf(1)
	if !a.At.IsZero() {
		age = time.Since(a.At).Seconds()
	}
	show(descStampAge, prometheus.GaugeValue, age)
	show(descStampFails, prometheus.CounterValue, float64(a.Failures))
	offset := math.NaN()
	if a.Asked {
		offset = a.Offset.Seconds()
	}
	show(descClockOffset, prometheus.GaugeValue, offset)
}
