package web

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"packseal.example/archive"
	"packseal.example/internal/fault"
)

// Scripts depend on these bytes: fields may be added, none may change.
func TestPacksGolden(t *testing.T) {
	t.Parallel()
	const want = `{"packs":[` +
		`{"source":"prod","pack":"cp-a","name":"MLPS","schedule":"0 2 * * *","time_zone":"Asia/Shanghai","state":"sealed",` +
		`"last_due":"1999-12-31T18:00:00Z","last_sealed":"1999-12-31T21:00:00Z","next_due":"2000-01-01T18:00:00Z",` +
		`"sealed_slots":41,"gap_slots":0,"last_object":"prod/cp-a/report.xls","last_sha256":"` + digest + `","last_size":49312},` +
		`{"source":"prod","pack":"cp-g","schedule":"0 2 * * *","time_zone":"UTC","state":"gap","next_due":"2000-01-01T00:01:30Z",` +
		`"sealed_slots":0,"gap_slots":2,"last_gap":"1999-12-30T00:00:00Z","last_gap_reason":"not_found"}` +
		"]}\n"
	w := get(handler(t, options(0, sealedPack("cp-a", "MLPS"), gapPack("cp-g", ""))), "/api/v1/packs")
	if diff := cmp.Diff(want, w.Body.String()); diff != "" {
		t.Error(diff)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	if got := get(handler(t, options(0)), "/api/v1/packs").Body.String(); got != "{\"packs\":[]}\n" {
		t.Errorf("no packs are %s", got)
	}
}

func TestSlotsGolden(t *testing.T) {
	t.Parallel()
	const want = `{"slots":[` +
		`{"source":"prod","pack":"ca-1/cp-a","due":"1999-12-29T00:00:00Z","state":"sealed","settled":"1999-12-29T00:01:00Z",` +
		`"object":"o/3.xls","size":2048,"sha256":"` + digest + `","late_seconds":60},` +
		`{"source":"prod","pack":"ca-1/cp-a","due":"1999-12-28T00:00:00Z","state":"gap","settled":"1999-12-28T00:01:00Z",` +
		`"reason":"deadline","detail":"the status is still CREATING"}` +
		`],"next":"19991228T000000Z"}` + "\n"
	h := handler(t, options(9, sealedPack("ca-1/cp-a", "")))
	for _, before := range []string{"19991230T000000Z", "1999-12-30T00:00:00Z", "1999-12-30T08:00:00%2B08:00"} {
		w := get(h, "/api/v1/slots?source=prod&pack=ca-1/cp-a&limit=2&before="+before)
		if diff := cmp.Diff(want, w.Body.String()); diff != "" {
			t.Errorf("before %s: %s", before, diff)
		}
	}
	if got := get(h, "/api/v1/slots?source=prod&pack=ca-1/cp-a&before=19900101T000000Z").Body.String(); got != "{\"slots\":[]}\n" {
		t.Errorf("no slots are %s", got)
	}
}

// Following "next" meets each slot once.
func TestSlotsInPages(t *testing.T) {
	t.Parallel()
	h := handler(t, options(250, sealedPack("cp-a", "")))
	var lengths []int
	seen := map[string]bool{}
	for next := ""; ; {
		var answer slotList
		if err := json.Unmarshal(get(h, "/api/v1/slots?source=prod&pack=cp-a&before="+next).Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		lengths = append(lengths, len(answer.Slots))
		for _, r := range answer.Slots {
			seen[r.ID()] = true
		}
		if next = answer.Next; next == "" {
			break
		}
	}
	if diff := cmp.Diff([]int{100, 100, 50}, lengths); diff != "" || len(seen) != 250 {
		t.Errorf("%d slots seen; %s", len(seen), diff)
	}
}

func TestSlotsRefuses(t *testing.T) {
	t.Parallel()
	h := handler(t, options(1, sealedPack("cp-a", "")))
	const asked = "source=prod&pack=cp-a&"
	for query, want := range map[string]int{
		"":                            http.StatusBadRequest,
		"source=prod":                 http.StatusBadRequest,
		"pack=cp-a":                   http.StatusBadRequest,
		asked + "limit=0":             http.StatusBadRequest,
		asked + "limit=1001":          http.StatusBadRequest,
		asked + "limit=-1":            http.StatusBadRequest,
		asked + "limit=ten":           http.StatusBadRequest,
		asked + "before=yesterday":    http.StatusBadRequest,
		asked + "befor=2000":          http.StatusBadRequest,
		asked + "before=%zz":          http.StatusBadRequest,
		asked + ";":                   http.StatusBadRequest,
		"source=prod&pack=cp-b":       http.StatusNotFound,
		"source=test&pack=cp-a":       http.StatusNotFound,
		asked + "limit=1000&before=":  http.StatusOK,
		asked + "limit=1&lang=zh":     http.StatusBadRequest,
		asked + "limit=1&limit=99999": http.StatusOK, // the first counts
	} {
		w := get(h, "/api/v1/slots?"+query)
		if w.Code != want {
			t.Errorf("?%s answers %d, want %d", query, w.Code, want)
		}
		if want == http.StatusOK {
			continue
		}
		var p problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Error == "" || p.Hint == "" {
			t.Errorf("?%s answers %s (%v), want an error and a hint", query, w.Body, err)
		}
	}
}

func TestSlotsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for want, err := range map[int]error{
		http.StatusServiceUnavailable:  fault.New(fault.SinkUnavailable, "no answer").WithHint("wait"),
		http.StatusInternalServerError: errors.New("no answer"),
	} {
		opts := options(0, sealedPack("cp-a", ""))
		opts.Slots = func(context.Context, string, string) iter.Seq2[archive.Record, error] {
			return func(yield func(archive.Record, error) bool) { yield(archive.Record{}, err) }
		}
		w := get(handler(t, opts), "/api/v1/slots?source=prod&pack=cp-a")
		var got problem
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if w.Code != want || got != (problem{"reading the slots of prod/cp-a: no answer", fault.Hint(err)}) {
			t.Errorf("%d %+v, want %d", w.Code, got, want)
		}
	}
}
