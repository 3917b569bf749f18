// Package fetcher fetches the report of a slot to disk and verifies it.
//
// A [Source] generates reports and returns links to them. The [Fetcher] requests
// the report, waits for it, and downloads it into the [Spool].
package fetcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/trace"
	"packseal.example/internal/units"
)

// Options configure a Fetcher.
type Options struct {
	Source     Source                // required
	Bounds     Bounds                // of the source; required
	Settings   Settings              // a zero field means its default
	Logger     *slog.Logger          // required
	Registerer prometheus.Registerer // labelled with the source's name; nil registers nothing
	Transport  http.RoundTripper     // for downloads; default: one that checks addresses against Bounds
}

// Settings control the wait for a report and its download. A zero field means
// its default.
type Settings struct {
	PollMin    time.Duration `yaml:"poll_min,omitempty"`    // first interval between checks whether a report is ready; default 1s
	PollMax    time.Duration `yaml:"poll_max,omitempty"`    // longest interval; default 30s
	StaleAfter time.Duration `yaml:"stale_after,omitempty"` // request the report again if the source has not been generating it for this long; default 5m
	LinkMargin time.Duration `yaml:"link_margin,omitempty"` // look up a new link before the download if it expires sooner than this; default 2m
	MaxBytes   units.Size    `yaml:"max_bytes,omitempty"`   // size limit of a report; default 2 GiB
	StallAfter time.Duration `yaml:"stall_after,omitempty"` // abort and retry a download that makes no progress for this long; default 30s
}

func (s Settings) withDefaults() Settings {
	s.PollMin = cmp.Or(s.PollMin, time.Second)
	s.PollMax = max(cmp.Or(s.PollMax, 30*time.Second), s.PollMin)
	s.StaleAfter = cmp.Or(s.StaleAfter, 5*time.Minute)
	s.LinkMargin = cmp.Or(s.LinkMargin, 2*time.Minute)
	s.MaxBytes = cmp.Or(s.MaxBytes, 2<<30)
	s.StallAfter = cmp.Or(s.StallAfter, 30*time.Second)
	return s
}

// Fetcher fetches the reports of one source.
type Fetcher struct {
	source   Source
	settings Settings
	logger   *slog.Logger
	metrics  *metrics
	download *downloader
}

// maxTries limits, separately, how many links are used because earlier ones had
// expired or were refused, and how many downloads are made because earlier ones
// failed.
const maxTries = 5

// New returns a Fetcher.
func New(o Options) (*Fetcher, error) {
	if o.Source == nil || o.Logger == nil {
		return nil, errors.New("fetcher: Source and Logger are required")
	}
	o.Settings = o.Settings.withDefaults()
	download, err := newDownloader(o)
	if err != nil {
		return nil, err
	}
	return &Fetcher{source: o.Source, settings: o.Settings, logger: o.Logger, metrics: newMetrics(o.Registerer), download: download}, nil
}

// Fetch returns the slot's report, with its body complete and verified in the
// spool entry. It resumes where an earlier try of the slot ended, and waits for
// the report until ctx ends.
func (f *Fetcher) Fetch(ctx context.Context, e *Entry, s evidence.Slot) (Report, error) {
	if r, ok := e.Report(); ok {
		return r, nil
	}
	t, ok := e.Ticket()
	if !ok {
		var err error
		if t, err = f.request(ctx, e, Ticket{Slot: s}); err != nil {
			return Report{}, err
		}
	}
	making, span := trace.Begin(ctx, "making")
	link, t, err := f.await(making, e, t)
	span.End(err)
	if err != nil {
		return Report{}, err
	}
	ctx, span = trace.Begin(ctx, "download")
	r, err := f.fetch(ctx, e, t, link)
	span.Set(trace.Bytes.Int64(r.Size))
	span.End(err)
	return r, err
}

// Source returns the source, for [Env].
func (f *Fetcher) Source() Source { return f.source }

// Lister returns the source as what says which packs it has; nil if it does not.
func (f *Fetcher) Lister() Lister {
	l, _ := f.source.(Lister)
	return l
}

// poll returns the intervals between lookups, and between downloads.
func (f *Fetcher) poll() fault.Backoff {
	return fault.Backoff{Base: f.settings.PollMin, Max: f.settings.PollMax}
}

// request requests the report that next says (slot, attempt, failures) and saves
// the ticket. A crash in between is harmless: Generate is idempotent, or has saved
// the ticket before.
func (f *Fetcher) request(ctx context.Context, e *Entry, next Ticket) (Ticket, error) {
	defer f.metrics.stage("request", time.Now())
	ctx, span := trace.Begin(ctx, "request", trace.Attempt.Int(next.Attempt))
	before := e.state.Ticket
	save := func(t Ticket) error {
		t.Failures = next.Failures
		return e.SaveTicket(t)
	}
	t, err := f.source.Generate(ctx, Order{Slot: next.Slot, Attempt: next.Attempt, After: e.evaluatedUntil(), Sending: save})
	t.Failures = next.Failures
	if err != nil {
		err = fmt.Errorf("requesting the report: %w", err)
		if e.state.Ticket != before {
			err = errors.Join(err, e.restoreTicket(before))
		}
	} else {
		err = save(t)
	}
	span.Set(trace.Attached.Bool(t.Attached))
	span.End(err)
	return t, err
}

// maxFailures is how many reports of a slot are requested again because the source
// could not generate the one before.
const maxFailures = 3

// await polls until the requested report is ready, and returns a link to it. If
// the source is not generating the report, it is requested again; the returned
// ticket is that of the last request.
//
//	result of Lookup  action
//	link              return it
//	NotReady          poll again, at intervals from PollMin to PollMax
//	ErrStale          the same; after StaleAfter without another result, request
//	                  the report again, as a new attempt since requests are
//	                  idempotent
//	ErrStale and      request the report at once: the report that was being
//	  attached        generated is ready, and was created before the slot fell due
//	ErrFailed         request the report again, after a while, up to maxFailures
//	                  times; then return it
//	other error       return it
//
// The number of polls is limited by ctx only: the API documents no limit on how
// long a report may take.
func (f *Fetcher) await(ctx context.Context, e *Entry, t Ticket) (timedLink, Ticket, error) {
	start := time.Now()
	var stale time.Time // since when Lookup has returned ErrStale
	for try := 0; ; try++ {
		link, err := f.source.Lookup(ctx, t)
		again := false
		switch {
		case err == nil:
			f.metrics.stage("making", start)
			return received(link), t, nil
		case errors.Is(err, ErrFailed) && t.Failures < maxFailures:
			f.logger.WarnContext(ctx, "report not generated", "pack", t.Slot.Pack, "due", t.Slot.Due, "reason", fault.Of(err), "err", err)
			if !fault.Sleep(ctx, f.afterFailure(t.Failures)) {
				return timedLink{}, t, fmt.Errorf("waiting after a failure: %w", context.Cause(ctx))
			}
			t.Failures++
			again = true
		case fault.Of(err) != fault.NotReady:
			return timedLink{}, t, fmt.Errorf("looking up the report: %w", err)
		case !errors.Is(err, ErrStale):
			stale = time.Time{}
		case t.Attached: // to a report that is too old
			again = true
		case stale.IsZero():
			stale = time.Now()
		default: // ours was lost, if this goes on
			again = time.Since(stale) >= f.settings.StaleAfter
		}
		if again {
			stale = time.Time{}
			next := t
			next.Attempt++
			if t, err = f.request(ctx, e, next); err != nil {
				return timedLink{}, t, err
			}
		}
		if !fault.Sleep(ctx, f.poll().Wait(try, nil)) {
			return timedLink{}, t, fmt.Errorf("waiting for the report: %w", context.Cause(ctx))
		}
	}
}

// afterFailure returns how long to wait before the next request, when the source
// could not generate the report, and n others before.
func (f *Fetcher) afterFailure(n int) time.Duration {
	return fault.Backoff{Base: f.settings.PollMax, Max: max(f.settings.StaleAfter, f.settings.PollMax)}.Wait(n, nil)
}

// fetch downloads the report. It looks up a new link if the current one is about
// to expire or is refused, and starts over if the body is damaged. Tries of links
// and of downloads are counted separately. The report is not requested again: it
// has been generated, whatever happens to the download.
func (f *Fetcher) fetch(ctx context.Context, e *Entry, t Ticket, link timedLink) (Report, error) {
	defer f.metrics.stage("download", time.Now())
	refreshed, failed := 0, 0
	for {
		if left, ok := link.remaining(); ok && left < f.settings.LinkMargin && refreshed == 0 {
			// Only once: the links of this source may never be valid for longer.
			refreshed++
			if err := f.refresh(ctx, t, &link); err != nil {
				return Report{}, err
			}
		}
		r, err := f.downloadOnce(ctx, e, t, link)
		if err == nil {
			return r, nil
		}
		f.logger.WarnContext(ctx, "download failed", "pack", t.Slot.Pack, "due", t.Slot.Due, "reason", fault.Of(err), "err", err)
		switch fault.Of(err) {
		case fault.LinkExpired, fault.LinkRefused:
			// Links that are signed within the same second may be identical.
			if refreshed++; refreshed >= maxTries || !fault.Sleep(ctx, fault.Backoff{}.Wait(0, nil)) {
				return Report{}, err
			}
			if rerr := f.refresh(ctx, t, &link); rerr != nil {
				return Report{}, rerr
			}
		case fault.Damaged, fault.Unavailable:
			if failed++; failed >= maxTries || !fault.Sleep(ctx, f.poll().Wait(failed-1, err)) {
				return Report{}, err
			}
		default:
			return Report{}, err
		}
	}
}

// refresh looks up a new link to the same report.
func (f *Fetcher) refresh(ctx context.Context, t Ticket, link *timedLink) error {
	f.metrics.refreshes.Inc()
	fresh, err := f.source.Lookup(ctx, t)
	if err != nil {
		return fmt.Errorf("refreshing the link: %w", err)
	}
	*link = received(fresh)
	return nil
}

// downloadOnce downloads the body and saves the report.
func (f *Fetcher) downloadOnce(ctx context.Context, e *Entry, t Ticket, link timedLink) (Report, error) {
	if left, ok := link.remaining(); ok {
		f.metrics.remaining.Observe(left.Seconds())
	}
	body, err := e.create()
	if err != nil {
		return Report{}, err
	}
	ctx, s := trace.Call(ctx, "GET")
	r, err := f.download.get(ctx, link.Link, body)
	err = errors.Join(err, diskFault(body.Close()))
	s.Set(trace.Bytes.Int64(r.Size))
	s.End(err)
	if err != nil {
		return Report{}, err
	}
	r.Ticket, r.Account, r.Created = t, link.Account, link.Created
	r.ReportID, r.Evaluated = cmp.Or(link.ReportID, t.ReportID), e.evaluated()
	if link.RequestID != "" {
		r.RequestIDs = append(r.RequestIDs[:len(r.RequestIDs):len(r.RequestIDs)], link.RequestID)
	}
	return r, e.SaveReport(r)
}
