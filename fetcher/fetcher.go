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
)

// Options are what a Fetcher needs. Required fields are marked.
type Options struct {
	Source     Source                // required
	Bounds     Bounds                // required; the source's
	Settings   Settings              // a zero field means its default
	Logger     *slog.Logger          // required
	Registerer prometheus.Registerer // with the source's name as label already; nil = none
	Transport  http.RoundTripper     // for downloads; default: one of our own
}

// Fetcher gets a source's reports.
type Fetcher struct {
	source   Source
	settings Settings
	logger   *slog.Logger
	metrics  *metrics
	download *downloader
}

// The defaults of Settings.
const (
	defaultPollMin    = time.Second
	defaultPollMax    = 30 * time.Second
	defaultStaleAfter = 5 * time.Minute
	defaultLinkMargin = 2 * time.Minute
	defaultMaxBytes   = 2 << 30
	defaultStallAfter = 30 * time.Second
)

// attempts bounds each of: links looked up again because they had expired or
// were refused, and downloads begun again because they failed.
const attempts = 5

// New makes a Fetcher.
func New(o Options) (*Fetcher, error) {
	if o.Source == nil || o.Logger == nil {
		return nil, errors.New("fetcher: Source and Logger are required")
	}
	s := &o.Settings
	s.PollMin = cmp.Or(s.PollMin, defaultPollMin)
	s.PollMax = max(cmp.Or(s.PollMax, defaultPollMax), s.PollMin)
	s.StaleAfter = cmp.Or(s.StaleAfter, defaultStaleAfter)
	s.LinkMargin = cmp.Or(s.LinkMargin, defaultLinkMargin)
	s.MaxBytes = cmp.Or(s.MaxBytes, defaultMaxBytes)
	s.StallAfter = cmp.Or(s.StallAfter, defaultStallAfter)
	download, err := newDownloader(o)
	if err != nil {
		return nil, err
	}
	return &Fetcher{source: o.Source, settings: *s, logger: o.Logger, metrics: newMetrics(o.Registerer), download: download}, nil
}

// Fetch returns the slot's report, its body complete and checked in the spool
// entry. It goes on where an earlier try of the same slot stopped, and waits
// while the report is being made, until ctx ends.
func (f *Fetcher) Fetch(ctx context.Context, e *Entry, s evidence.Slot) (Report, error) {
	if r, ok := e.Report(); ok {
		return r, nil
	}
	t, ok := e.Ticket()
	if !ok {
		var err error
		if t, err = f.request(ctx, e, s, 0); err != nil {
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

// poll is the wait between two looks at a report, and between two downloads.
func (f *Fetcher) poll() fault.Backoff {
	return fault.Backoff{Base: f.settings.PollMin, Max: f.settings.PollMax}
}

// request asks for the report and keeps the ticket. Between the two a crash
// costs nothing: the same slot and attempt ask for the same report.
func (f *Fetcher) request(ctx context.Context, e *Entry, s evidence.Slot, attempt int) (Ticket, error) {
	defer f.metrics.stage("request", time.Now())
	ctx, span := trace.Begin(ctx, "request", trace.Attempt.Int(attempt))
	t, err := f.source.Generate(ctx, s, attempt)
	if err != nil {
		err = fmt.Errorf("asking for the report: %w", err)
	} else {
		err = e.SaveTicket(t)
	}
	span.Set(trace.Attached.Bool(t.Attached))
	span.End(err)
	return t, err
}

// await looks until the ticket's report is finished, and returns a link to
// it. A report that nobody is making, although it was asked for, is asked for
// again: the ticket returned is the last one.
//
//	Lookup says      then
//	a link           download
//	being made       look again, after a wait that grows from PollMin to PollMax
//	only an older    the same; after StaleAfter of nothing else, ask again, as
//	  one            another attempt: the same request would be taken for a copy
//	  …attached      ask again at once: what we attached to is finished, and was
//	                 made before the slot fell due
//	anything else    give up, for now
//
// There is no bound on the number of looks but ctx's deadline, as nothing says
// how long a report may take.
func (f *Fetcher) await(ctx context.Context, e *Entry, t Ticket) (held, Ticket, error) {
	began := time.Now()
	var stale time.Time // since when the source has had nothing but an older report
	for try := 0; ; try++ {
		link, err := f.source.Lookup(ctx, t)
		switch {
		case err == nil:
			f.metrics.stage("making", began)
			return receive(link), t, nil
		case fault.Of(err) != fault.NotReady:
			return held{}, t, fmt.Errorf("looking the report up: %w", err)
		case !errors.Is(err, ErrStale):
			stale = time.Time{}
		case t.Attached || !stale.IsZero() && time.Since(stale) >= f.settings.StaleAfter:
			// What we attached to was made too early, or what we asked for
			// never came: this slot needs a report of its own.
			if t, err = f.request(ctx, e, t.Slot, t.Attempt+1); err != nil {
				return held{}, t, err
			}
			stale = time.Time{}
		case stale.IsZero():
			stale = time.Now()
		}
		wait := f.poll().Wait(try, nil)
		if !fault.Sleep(ctx, wait) {
			return held{}, t, fmt.Errorf("waiting for the report: %w", context.Cause(ctx))
		}
	}
}

// held is a link and when it came to us.
type held struct {
	Link
	since time.Time
}

func receive(l Link) held { return held{l, time.Now()} }

// remaining is what is left of the link's life, reckoned by the source's
// clock: our own may be off. ok is false for a link that does not say.
func (h held) remaining() (left time.Duration, ok bool) {
	expiry, ok := h.URL.Expiry()
	served := h.Served
	if served.IsZero() {
		served = h.since
	}
	return expiry.Sub(served) - time.Since(h.since), ok
}

// fetch downloads the report, with a fresh link when the one at hand is old
// or refused, and again from the start when the body is not whole. Two counts
// are kept apart: a store that cuts connections does not use up the links, and
// links that are refused do not use up the downloads. A report is never asked
// for again here: whatever happens to its body, it is made.
func (f *Fetcher) fetch(ctx context.Context, e *Entry, t Ticket, link held) (Report, error) {
	defer f.metrics.stage("download", time.Now())
	refreshed, failed := 0, 0
	for {
		if left, ok := link.remaining(); ok && left < f.settings.LinkMargin && refreshed == 0 {
			// Once: a source whose links never live longer is served as it is.
			refreshed++
			if err := f.refresh(ctx, t, &link); err != nil {
				return Report{}, err
			}
		}
		r, err := f.try(ctx, e, t, link)
		if err == nil {
			return r, nil
		}
		f.logger.WarnContext(ctx, "download failed", "pack", t.Slot.Pack, "due", t.Slot.Due, "reason", fault.Of(err), "err", err)
		switch fault.Of(err) {
		case fault.LinkExpired, fault.LinkRefused:
			// Links signed within one second may be the very same one.
			if refreshed++; refreshed >= attempts || !fault.Sleep(ctx, fault.Backoff{}.Wait(0, nil)) {
				return Report{}, err
			}
			if rerr := f.refresh(ctx, t, &link); rerr != nil {
				return Report{}, rerr
			}
		case fault.Damaged, fault.Unavailable:
			if failed++; failed >= attempts || !fault.Sleep(ctx, f.poll().Wait(failed-1, err)) {
				return Report{}, err
			}
		default:
			return Report{}, err
		}
	}
}

// refresh looks the same report up again, for a new link.
func (f *Fetcher) refresh(ctx context.Context, t Ticket, link *held) error {
	f.metrics.refreshes.Inc()
	fresh, err := f.source.Lookup(ctx, t)
	if err != nil {
		return fmt.Errorf("looking the link up again: %w", err)
	}
	*link = receive(fresh)
	return nil
}

// try is one download.
func (f *Fetcher) try(ctx context.Context, e *Entry, t Ticket, link held) (Report, error) {
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
	if link.RequestID != "" {
		r.RequestIDs = append(r.RequestIDs[:len(r.RequestIDs):len(r.RequestIDs)], link.RequestID)
	}
	return r, e.SaveReport(r)
}
