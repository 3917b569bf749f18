package web

import (
	"context"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

func TestHistoryRows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := handler(t, options(5, sealedPack("ca-1/cp-a", "Group")))
		body := get(h, "/packs/prod/ca-1/cp-a").Body.String()
		wantAll(t, body, "<title>Group – packseal", "<h1><bdi>Group</bdi></h1>", "prod/ca-1/cp-a", "Sealed",
			"0 2 * * *", "Asia/Shanghai", "2000-01-02 02:00 Asia/Shanghai", ">41<")
		wantAll(t, body, "2000-01-01 08:00 Asia/Shanghai</time> <small>now", "<small>2000-01-01 00:00 UTC</small>", "2000-01-01 08:01 Asia/Shanghai", "2.0 KiB, fetched 1m0s after it was due", "o/0.xls", "SHA-256 "+digest,
			"1999-12-31 00:00 UTC", "24 hours ago", "o/1.xls",
			"1999-12-28 00:00 UTC", "4 days ago", "Gap", "No new report was available before the time limit.", "the status is still CREATING")
		wantNone(t, body, "Older", "Newest", "none yet")
	})
}

// TestHistoryOfImported: a report that packseal did not fetch is shown as imported.
func TestHistoryOfImported(t *testing.T) {
	t.Parallel()
	o := options(1, sealedPack("cp-a", ""))
	o.Records = func(context.Context, Query) iter.Seq2[evidence.Record, error] {
		return func(yield func(evidence.Record, error) bool) {
			r := record("prod", "cp-a", 0)
			r.LateSeconds, r.Imported = 0, "Li <Wei>"
			yield(r, nil)
		}
	}
	h := handler(t, o)
	body := get(h, "/packs/prod/cp-a?lang=en").Body.String()
	wantAll(t, body, "2.0 KiB, imported by Li &lt;Wei&gt; <code>")
	wantNone(t, body, "after it was due")
	wantAll(t, get(h, "/packs/prod/cp-a?lang=zh").Body.String(), "由 Li &lt;Wei&gt; 导入")
	wantAll(t, get(h, "/api/v1/slots?source=prod&pack=cp-a").Body.String(), `"imported":"Li \u003cWei\u003e"`)
}

func TestHistoryInPages(t *testing.T) {
	t.Parallel()
	h := handler(t, options(900, sealedPack("cp-a", "")))
	var lengths []int
	for path := "/packs/prod/cp-a?lang=en"; path != ""; {
		body := get(h, path).Body.String()
		lengths = append(lengths, strings.Count(body, `<th role="rowheader"`))
		if len(lengths) > 1 {
			wantAll(t, body, `<a href="/packs/prod/cp-a?lang=en">Newest</a>`)
		}
		head, _, ok := strings.Cut(body, `" rel="next">Older`)
		if path = ""; ok {
			path = strings.ReplaceAll(head[strings.LastIndex(head, `"`)+1:], "&amp;", "&")
		}
	}
	if len(lengths) != 3 || lengths[0] != 400 || lengths[1] != 400 || lengths[2] != 100 {
		t.Errorf("pages of %d slots, want 400, 400 and 100", lengths)
	}
}

func TestHistoryWithoutSlots(t *testing.T) {
	t.Parallel()
	h := handler(t, options(0, sealedPack("cp-a", "")))
	wantAll(t, get(h, "/packs/prod/cp-a").Body.String(), "No slots have been recorded yet.")
}

func TestHistoryCutShort(t *testing.T) {
	t.Parallel()
	opts := options(0, sealedPack("cp-a", ""))
	logger, log := logged()
	opts.Logger = logger
	opts.Records = func(_ context.Context, q Query) iter.Seq2[evidence.Record, error] {
		return func(yield func(evidence.Record, error) bool) {
			if yield(record(q.Source, q.Pack, 0), nil) {
				yield(evidence.Record{}, fault.New(fault.SinkUnavailable, "listing primary: no answer"))
			}
		}
	}
	w := get(handler(t, opts), "/packs/prod/cp-a")
	wantAll(t, w.Body.String(), "The history could not be read completely:", "listing primary: no answer", "o/0.xls")
	wantAll(t, log.String(), `"reason":"sink_unavailable"`, "listing primary: no answer")
}

func TestHistoryOfNothing(t *testing.T) {
	t.Parallel()
	h := handler(t, options(0, sealedPack("cp-a", "")))
	for target, want := range map[string]struct {
		code int
		text string
	}{
		"/packs/prod/cp-b":                 {http.StatusNotFound, "Pack not found."},
		"/packs/test/cp-a":                 {http.StatusNotFound, "Pack not found."},
		"/packs/prod/":                     {http.StatusNotFound, "Pack not found."},
		"/packs/prod/cp-b?lang=zh":         {http.StatusNotFound, "没有这个合规包。"},
		"/packs/prod/cp-a?before=tomorrow": {http.StatusBadRequest, "an invalid time"},
	} {
		w := get(h, target)
		if w.Code != want.code {
			t.Errorf("%s answers %d, want %d", target, w.Code, want.code)
		}
		wantAll(t, w.Body.String(), "<h1>", want.text, `<a href="/`)
	}
}

// TestAcknowledgedGaps: page and JSON say who acknowledged a gap; sinks that do not
// answer hide no slot.
func TestAcknowledgedGaps(t *testing.T) {
	t.Parallel()
	opts := options(12, sealedPack("cp-a", ""))
	logger, log := logged()
	opts.Logger = logger
	var asked []string
	var failure error
	opts.GapAcks = func() func(context.Context, evidence.Slot) (*evidence.Ack, error) {
		return func(_ context.Context, s evidence.Slot) (*evidence.Ack, error) {
			asked = append(asked, s.ID())
			if failure != nil || s.Due.Day() != 28 {
				return nil, failure
			}
			return &evidence.Ack{Due: s.Due, Who: "ops@host", Why: "<holiday>", Until: midnight}, nil
		}
	}
	h := handler(t, opts)
	wantAll(t, get(h, "/packs/prod/cp-a").Body.String(), "<small>Acknowledged by <bdi>ops@host: &lt;holiday&gt;</bdi></small> <small>until <time", "2000-01-01 08:00 Asia/Shanghai")
	if want := []string{"prod/cp-a@19991228T000000Z", "prod/cp-a@19991223T000000Z"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %s, want %s", asked, want)
	}
	wantAll(t, get(h, "/packs/prod/cp-a?lang=zh-CN").Body.String(), "确认人： <bdi>ops@host")
	body := get(h, "/api/v1/slots?source=prod&pack=cp-a&limit=12").Body.String()
	if wantAll(t, body, `"ack":{"due":"1999-12-28T00:00:00Z",`, `"until":"2000-01-01T00:00:00Z","who":"ops@host","why":"\u003choliday\u003e"}}`); strings.Count(body, `"ack"`) != 1 {
		t.Errorf("the slots are %s", body)
	}
	asked = nil
	if get(h, "/api/v1/slots?source=prod&pack=cp-a&state=sealed"); asked != nil {
		t.Errorf("without a gap, acknowledgements are asked for: %s", asked)
	}
	failure = fault.New(fault.SinkUnavailable, "listing primary: no answer")
	body = get(h, "/packs/prod/cp-a").Body.String()
	wantAll(t, body, "o/0.xls", "the status is still CREATING", "o/11.xls")
	wantNone(t, body, "Acknowledged")
	wantAll(t, log.String(), "acknowledgements not shown", `"reason":"sink_unavailable"`)
}

// TestHistoryOfPruned: a report that was removed after its retention is told from one
// that is there, in both languages and in the JSON.
func TestHistoryOfPruned(t *testing.T) {
	t.Parallel()
	opts := options(0, sealedPack("cp-a", ""))
	opts.Records = func(_ context.Context, q Query) iter.Seq2[evidence.Record, error] {
		return func(yield func(evidence.Record, error) bool) {
			r := record(q.Source, q.Pack, 0)
			r.Pruned = true
			yield(r, nil)
		}
	}
	h := handler(t, opts)
	wantAll(t, get(h, "/packs/prod/cp-a?lang=en").Body.String(), "Sealed, report pruned after its retention", "SHA-256")
	wantAll(t, get(h, "/packs/prod/cp-a?lang=zh").Body.String(), "报告已在保留期后清除")
	wantAll(t, get(h, "/api/v1/slots?source=prod&pack=cp-a").Body.String(), `"pruned":true`)
}
