package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/trace"
	"packseal.example/sink"
)

// delivery is a sealed report on its way into the sinks.
type delivery struct {
	evidence.Manifest
	raw  []byte   // the manifest, canonical
	from []Target // the sinks that have it already
	body body     // the report
	file string   // in which that lies; empty = none
}

// deliver brings report and manifest to every sink that is to have them and lacks
// them: to the first of these alone, because it decides between racing archivers;
// then to the others at once, each for itself.
func (a *Archive) deliver(ctx context.Context, e *fetcher.Entry, m evidence.Manifest, raw []byte, have *found) (evidence.Record, error) {
	d := &delivery{Manifest: m, raw: raw, from: have.manifest}
	fresh := len(d.from) == 0
	wanting := a.wanting(ctx, d.Slot().Ref(), &m)
	lacking := have.lacking(evidence.ManifestName, wanting)
	blocked := have.blocked(d.Slot(), evidence.ManifestName, wanting)
	if len(lacking) == 0 {
		return a.delivered(d, e, have.missing(), blocked)
	}
	defer a.Metrics.sealed(d.Source, time.Now())
	if err := d.load(ctx, e); err != nil {
		return evidence.Record{}, err
	}
	defer func() { d.body.Close() }() //nolint:errcheck // read only
	errs := make([]error, len(lacking))
	put, unlogged := a.putFirst(ctx, d, lacking[0])
	if unlogged != nil {
		return evidence.Record{}, errors.Join(unlogged, e.Sync())
	}
	if errs[0] = put; fault.Of(put) == fault.Conflict {
		if fresh, errs[0] = false, a.adopt(ctx, d, e, lacking[0]); errs[0] != nil { // the ledger has no entry of ours
			return evidence.Record{}, errors.Join(errs[0], e.Sync())
		}
	}
	var rest sync.WaitGroup
	for i, t := range lacking[1:] {
		rest.Go(func() { errs[i+1] = a.put(ctx, d, t, "") })
	}
	rest.Wait()
	err := errors.Join(append(errs, have.missing(), blocked)...)
	if len(d.from) == 0 && !slices.Contains(errs, nil) {
		if fault.Of(err) == fault.Damaged { // a loss of power took a part of it
			return evidence.Record{}, errors.Join(err, e.Discard())
		}
		return evidence.Record{}, errors.Join(err, e.Sync())
	}
	a.observe(d.Record(), fresh)
	if fresh {
		a.scrutinize(ctx, lacking[slices.Index(errs, nil)], d.Manifest)
	}
	if err != nil {
		return d.Record(), errors.Join(err, e.Sync())
	}
	return d.Record(), e.Remove()
}

// delivered ends a delivery that no sink is left for. A report waits in the spool for
// a sink in which a planted record has its place, and for all if no sink has it.
func (a *Archive) delivered(d *delivery, e *fetcher.Entry, missing, blocked error) (evidence.Record, error) {
	_, whole := e.Report()
	switch {
	case len(d.from) == 0:
		return evidence.Record{}, errors.Join(blocked, e.Sync())
	case blocked != nil && whole:
		missing = errors.Join(missing, blocked, e.Sync())
	default:
		missing = errors.Join(missing, blocked, e.Remove())
	}
	a.observe(d.Record(), false)
	return d.Record(), missing
}

// putFirst brings the delivery to the sink that decides. A manifest that no sink has
// yet is logged; if that fails, no sink may get it.
func (a *Archive) putFirst(ctx context.Context, d *delivery, t Target) (put, unlogged error) {
	if len(d.from) > 0 {
		return a.put(ctx, d, t, d.file), nil
	}
	called := false
	err := a.log(d.Slot().ManifestKey(), d.raw, func() error {
		called = true
		return a.put(ctx, d, t, d.file)
	})
	if !called {
		return nil, err
	}
	return err, nil
}

// load opens the report: the spool's, or, when that is not what the manifest
// speaks of, a copy from a sink that has it.
func (d *delivery) load(ctx context.Context, e *fetcher.Entry) (err error) {
	if r, ok := e.Report(); !ok || r.SHA256 != d.SHA256 {
		err = fault.New(fault.Damaged, "the report of %s is not in the spool", d.Slot())
		for _, t := range d.from {
			if err = d.fetch(ctx, e, t); err == nil {
				break
			}
		}
	}
	if err != nil {
		return err
	}
	f, err := e.Body()
	if err == nil {
		d.body, d.file = f, f.Name()
	}
	return err
}

// fetch copies the report from a sink into the spool, checking its sum.
func (d *delivery) fetch(ctx context.Context, e *fetcher.Entry, t Target) error {
	r, err := t.Open(ctx, d.Slot().Dir()+d.Object)
	if err != nil {
		return fmt.Errorf("reading from sink %s: %w", t.Name, err)
	}
	defer r.Close() //nolint:errcheck // read only
	if err := e.Import(r, d.Size, d.SHA256); err != nil {
		return err
	}
	return e.SaveReport(reportOf(d.Manifest)) // so that it waits for sinks that are down, too
}

// commitTime is how long the manifest of a report that a sink has may take once the
// daemon stops.
const commitTime = 10 * time.Second

// put brings the delivery to one sink: the report, then the manifest, which a stop in
// between does not keep from it. The file may be the report's own, which the sink may
// keep: one sink, so that damage to its file is not damage to another's.
func (a *Archive) put(ctx context.Context, d *delivery, t Target, file string) (err error) {
	ctx, s := trace.Begin(ctx, "sealing", trace.Sink.String(t.Name), trace.Bytes.Int64(d.Size))
	defer func() { s.End(err) }()
	dir := d.Slot().Dir()
	r := reportOf(d.Manifest)
	report := sink.Content{ReaderAt: d.body, Size: d.Size, SHA256: r.Sum(), File: file, About: a.aboutReport(d.Manifest)}
	if md5, crc64, ok := r.Sums(); ok {
		report.Sums = &sink.Sums{MD5: md5, CRC64: crc64}
	}
	if err = t.Put(ctx, dir+d.Object, report); err == nil {
		ctx, done := fault.Outlive(ctx, commitTime)
		defer done()
		record := sink.Bytes(d.raw)
		record.About = a.aboutRecord(d.Slot(), d.Name, evidence.ManifestName)
		err = t.Put(ctx, dir+evidence.ManifestName, record)
	}
	if err != nil {
		return fmt.Errorf("sealing in sink %s: %w", t.Name, err)
	}
	return nil
}

// adopt makes the manifest that t holds the one that is delivered: another
// archiver was first, and its record is the slot's.
func (a *Archive) adopt(ctx context.Context, d *delivery, e *fetcher.Entry, t Target) error {
	if err := a.yield(ctx, t, d.Slot(), evidence.ManifestName); err != nil {
		return err
	}
	m, raw, err := manifest(ctx, []Target{t}, d.Slot())
	if err != nil {
		return err
	}
	d.body.Close() //nolint:errcheck // read only
	d.Manifest, d.raw, d.from = m, raw, append(d.from, t)
	return d.load(ctx, e)
}
