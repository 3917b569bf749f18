package archive_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
)

// TestAnomalies: what is odd about a report is in its manifest, the log and the
// metric, and a container that a pack's report before was not in is told of: once
// a process for each, and of what other processes sealed, too.
func TestAnomalies(t *testing.T) {
	t.Parallel()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}, {ID: "cp-2"}})
	var next fetcher.Report // what the report is said to be
	var told []string
	var log bytes.Buffer
	o := h.Options
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	o.NewContainer = func(m evidence.Manifest, detail string) {
		told = append(told, m.Pack+" "+strings.ReplaceAll(detail, m.Due.Format("2006-01-02"), "today"))
	}
	fetch := o.Fetch
	o.Fetch = func(ctx context.Context, e *fetcher.Entry, s evidence.Slot) (fetcher.Report, error) {
		r, err := fetch(ctx, e, s)
		if err == nil {
			r.Container, r.ContentEncoding, r.Anomalies = next.Container, next.ContentEncoding, next.Anomalies
			err = e.SaveReport(r)
		}
		return r, err
	}
	h.open(t, o)
	at := due().Add(-time.Hour)
	seal := func(pack string, c evidence.Container, encoding string, anomalies ...string) {
		t.Helper()
		at = at.Add(time.Second)
		next.Container, next.ContentEncoding, next.Anomalies = c, encoding, anomalies
		for range 2 { // the second time it is there
			if _, err := h.Seal(t.Context(), slot(pack, at), time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		m, _, err := h.Manifest(t.Context(), slot(pack, at))
		if err != nil || m.Container != c || m.ContentEncoding != encoding || !slices.Equal(m.Anomalies, anomalies) {
			t.Errorf("sealed %s %q %q, %v", m.Container, m.ContentEncoding, m.Anomalies, err)
		}
	}
	says := func(want ...string) {
		t.Helper()
		got := slices.Clone(told)
		for i := range got { // the due time of the report before
			before, after, _ := strings.Cut(got[i], " due ")
			_, was, _ := strings.Cut(after, " ")
			got[i] = before + " " + was
		}
		if !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		told = nil
	}
	seal("cp-1", evidence.OLE2, "")
	seal("cp-1", evidence.OLE2, "")
	seal("cp-2", evidence.Zip, "")
	says()
	seal("cp-1", evidence.HTML, "", "extension", "charset")
	says("cp-1 html; the report was ole2")
	seal("cp-1", evidence.OLE2, "")
	seal("cp-1", evidence.HTML, "", "extension")
	says()
	seal("cp-1", evidence.OLE2, "gzip", "encoding")
	says("cp-1 ole2 in gzip; the report was html")

	for anomaly, want := range map[string]float64{"extension": 2, "charset": 1, "encoding": 1, "new_container": 2, "incomplete": 0, "unrecognized": 0, "content_type": 0} {
		if got := h.value(t, "packseal_report_anomalies_total", anomaly); got != want {
			t.Errorf("%s: %v, want %v", anomaly, got, want)
		}
	}
	if n := strings.Count(log.String(), `msg="report is unusual"`); n != 3 {
		t.Errorf("%d unusual reports are logged:\n%s", n, log.String())
	}

	h.open(t, o) // again
	seal("cp-1", evidence.OLE2, "gzip", "encoding")
	says()
	seal("cp-2", evidence.OOXML, "")
	says("cp-2 ooxml; the report was zip")
	if n, err := testutil.GatherAndCount(h.reg, "packseal_report_anomalies_total"); err != nil || n != len(evidence.Anomalies())+1 {
		t.Errorf("%d series, %v", n, err)
	}
}

// TestNewContainerSeldom: the report before is found however long ago it was.
func TestNewContainerSeldom(t *testing.T) {
	t.Parallel()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	h.settle(t, due().AddDate(0, -3, 0))
	o := h.Options
	var told []string
	o.NewContainer = func(_ evidence.Manifest, detail string) { told = append(told, detail) }
	fetch := o.Fetch
	o.Fetch = func(ctx context.Context, e *fetcher.Entry, s evidence.Slot) (fetcher.Report, error) {
		r, err := fetch(ctx, e, s)
		r.Container = evidence.XML
		return r, err
	}
	h.open(t, o)
	h.settle(t, due())
	if len(told) != 1 || !strings.HasPrefix(told[0], "xml; the report due ") || !strings.HasSuffix(told[0], " was ole2") {
		t.Errorf("told %q", told)
	}
}
