package web

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Scripts depend on these bytes: fields may be added, none may change.
func TestPacksGolden(t *testing.T) {
	t.Parallel()
	const want = `{"packs":[` +
		`{"source":"prod","pack":"cp-a","name":"MLPS","schedule":"0 2 * * *","time_zone":"Asia/Shanghai","state":"sealed",` +
		`"last_due":"1999-12-31T18:00:00Z","last_sealed":"1999-12-31T21:00:00Z","next_due":"2000-01-01T18:00:00Z",` +
		`"sealed_slots":41,"gap_slots":0,"last_object":"prod/cp-a/report.xls","last_sha256":"` + digest + `","last_size":49312,` +
		`"kind":"compliance_pack","last_due_local":"2000-01-01T02:00:00+08:00","next_due_local":"2000-01-02T02:00:00+08:00"},` +
		`{"source":"prod","pack":"cp-g","labels":{"owner":"sec","system":"\u003cpay\u003e"},"schedule":"0 2 * * *","time_zone":"UTC","state":"gap","next_due":"2000-01-01T00:01:30Z",` +
		`"sealed_slots":0,"gap_slots":2,"last_gap":"1999-12-30T00:00:00Z","last_gap_reason":"not_found","kind":"compliance_pack","next_due_local":"2000-01-01T00:01:30Z"}` +
		"]}\n"
	labelled := gapPack("cp-g", "")
	labelled.Labels = map[string]string{"system": "<pay>", "owner": "sec"}
	h := handler(t, options(0, sealedPack("cp-a", "MLPS"), labelled))
	w := get(h, "/api/v1/packs")
	for _, page := range []string{"/", "/packs/prod/cp-g"} {
		wantAll(t, get(h, page).Body.String(), "prod/cp-g", `<small class="label"><bdi>owner: sec</bdi></small>`, `<small class="label"><bdi>system: &lt;pay&gt;</bdi></small>`)
	}
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
		`"object":"o/3.xls","size":2048,"sha256":"` + digest + `","late_seconds":60,"due_local":"1999-12-29T08:00:00+08:00"},` +
		`{"source":"prod","pack":"ca-1/cp-a","due":"1999-12-28T00:00:00Z","state":"gap","settled":"1999-12-28T00:01:00Z",` +
		`"reason":"deadline","detail":"the status is still CREATING","due_local":"1999-12-28T08:00:00+08:00"}` +
		`],"next":"19991228T000000Z","time_zone":"Asia/Shanghai"}` + "\n"
	h := handler(t, options(9, sealedPack("ca-1/cp-a", "")))
	for _, before := range []string{"19991230T000000Z", "1999-12-30T00:00:00Z", "1999-12-30T08:00:00%2B08:00"} {
		w := get(h, "/api/v1/slots?source=prod&pack=ca-1/cp-a&limit=2&before="+before)
		if diff := cmp.Diff(want, w.Body.String()); diff != "" {
			t.Errorf("before %s: %s", before, diff)
		}
	}
	if got := get(h, "/api/v1/slots?source=prod&pack=ca-1/cp-a&before=19900101T000000Z").Body.String(); got != "{\"slots\":[],\"time_zone\":\"Asia/Shanghai\"}\n" {
		t.Errorf("no slots are %s", got)
	}
}

// TestSlotsFilters: a slot is in the answer if it is in the period (from is
// included, to and before are not) and in the state that are asked for.
func TestSlotsFilters(t *testing.T) {
	t.Parallel()
	h := handler(t, options(10, sealedPack("cp-a", ""))) // due 2000-01-01 and on the 9 days before; 4 and 9 days ago are gaps
	for query, want := range map[string][]string{
		"from=1999-12-30": {"01-01", "12-31", "12-30"},
		"from=1999-12-29T00:00:01Z&to=20000101T000000Z": {"12-31", "12-30"},
		"to=1999-12-25":             {"12-24", "12-23"},
		"state=gap":                 {"12-28", "12-23"},
		"state=gap&from=1999-12-24": {"12-28"},
		"state=sealed&from=1999-12-27&to=1999-12-30":             {"12-29", "12-27"},
		"to=1999-12-25&before=1999-12-24":                        {"12-23"},
		"to=1999-12-25&before=2000-01-01":                        {"12-24", "12-23"},
		"from=1999-12-27&to=1999-12-30&before=1999-12-28":        {"12-27"},
		"from=1999-12-27T08:00:00%2B08:00&to=1999-12-28&limit=1": {"12-27"},
		"from=2000-01-02":                                        nil,
	} {
		var answer slotList
		if err := json.Unmarshal(get(h, "/api/v1/slots?source=prod&pack=cp-a&"+query).Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range answer.Slots {
			got = append(got, r.Due.Format("01-02"))
		}
		if diff := cmp.Diff(want, got); diff != "" || answer.Next != "" {
			t.Errorf("%s: next %q; %s", query, answer.Next, diff)
		}
	}
	w := get(h, "/api/v1/slots?source=prod&pack=cp-a&state=sealed&limit=3&from=1999-12-27")
	wantAll(t, w.Body.String(), "2000-01-01", "1999-12-31", "1999-12-30", `"next":"19991230T000000Z"`)
}

// TestPageAsksForOnePage: no more records are asked for than the page shows, but
// for the one that shows whether there are others.
func TestPageAsksForOnePage(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]Query{
		"/packs/prod/cp-a?before=1999-12-30":  {Source: "prod", Pack: "cp-a", To: midnight.AddDate(0, 0, -2), Limit: historyRows + 1},
		"/packs/prod/cp-a":                    {Source: "prod", Pack: "cp-a", Limit: historyRows + 1},
		"/api/v1/slots?source=prod&pack=cp-a": {Source: "prod", Pack: "cp-a", Limit: defaultLimit + 1},
		"/api/v1/slots?source=prod&pack=cp-a&state=gap&limit=7&from=1999-12-30": {
			Source: "prod", Pack: "cp-a", From: midnight.AddDate(0, 0, -2), State: evidence.Gapped, Limit: 8,
		},
	} {
		opts := options(900, sealedPack("cp-a", ""))
		records, asked := opts.Records, []Query{}
		opts.Records = func(ctx context.Context, q Query) iter.Seq2[evidence.Record, error] {
			asked = append(asked, q)
			return records(ctx, q)
		}
		get(handler(t, opts), target)
		if diff := cmp.Diff([]Query{want}, asked); diff != "" {
			t.Errorf("%s: %s", target, diff)
		}
	}
}

// TestIncompleteHistory: while a pack's history is being read, its counts are
// absent, and page and JSON say so.
func TestIncompleteHistory(t *testing.T) {
	t.Parallel()
	p := sealedPack("cp-a", "MLPS")
	p.Counts = nil
	fresh := withState(Pack{Source: "prod", Key: "cp-r"}, StateReading)
	h := handler(t, options(3, p, fresh, sealedPack("cp-b", "Other")))
	packs := get(h, "/api/v1/packs").Body.String()
	wantAll(t, packs, `"last_sealed":"1999-12-31T21:00:00Z"`, `"last_sha256"`, `"state":"reading"`, `"sealed_slots":41,"gap_slots":0`)
	if n := strings.Count(packs, "sealed_slots"); n != 1 {
		t.Errorf("%d packs are counted", n)
	}
	wantAll(t, get(h, "/api/v1/slots?source=prod&pack=cp-a").Body.String(), `}],"time_zone":"Asia/Shanghai","incomplete":true}`)
	wantNone(t, get(h, "/api/v1/slots?source=prod&pack=cp-b").Body.String(), "incomplete")
	body := get(h, "/").Body.String()
	wantAll(t, body, "<h1>Reading the history of 1 of 3 packs.</h1>", "The history of 2 packs is still being read.", "MLPS", ">reading history<", ">reading history<")
	wantAll(t, body, ">cp-r<", `class="state reading"`, "Reading history", ">reading history<")
	wantNone(t, body, "none yet", "reports sealed in total")
	wantAll(t, get(h, "/?lang=zh").Body.String(), "正在读取 3 个合规包中 1 个的历史记录。", "正在读取 2 个合规包的历史记录。", "正在读取")
	body = get(h, "/packs/prod/cp-a").Body.String()
	wantAll(t, body, ">reading history<", "The history is still being read.", "o/0.xls")
	wantNone(t, get(handler(t, options(0, p)), "/packs/prod/cp-a").Body.String(), "No slots have been recorded")
	wantNone(t, get(h, "/packs/prod/cp-b").Body.String(), "eading")
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
		"":                                          http.StatusBadRequest,
		"source=prod":                               http.StatusBadRequest,
		"pack=cp-a":                                 http.StatusBadRequest,
		asked + "limit=0":                           http.StatusBadRequest,
		asked + "limit=1001":                        http.StatusBadRequest,
		asked + "limit=-1":                          http.StatusBadRequest,
		asked + "limit=ten":                         http.StatusBadRequest,
		asked + "before=yesterday":                  http.StatusBadRequest,
		asked + "befor=2000":                        http.StatusBadRequest,
		asked + "before=%zz":                        http.StatusBadRequest,
		asked + ";":                                 http.StatusBadRequest,
		"source=prod&pack=cp-b":                     http.StatusNotFound,
		"source=test&pack=cp-a":                     http.StatusNotFound,
		asked + "limit=1000&before=":                http.StatusOK,
		asked + "limit=1&lang=zh":                   http.StatusBadRequest,
		asked + "limit=1&limit=99999":               http.StatusOK, // the first counts
		asked + "state=lost":                        http.StatusBadRequest,
		asked + "from=yesterday":                    http.StatusBadRequest,
		asked + "to=20000101":                       http.StatusBadRequest,
		asked + "from=2000-01-02&to=2000-01-02":     http.StatusBadRequest,
		asked + "from=2000-01-02&to=2000-01-03":     http.StatusOK,
		asked + "from=2000-01-02&before=2000-01-02": http.StatusOK, // a page beyond the last one
		asked + "state=&from=&to=&before=&limit=":   http.StatusOK,
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
		opts.Records = func(context.Context, Query) iter.Seq2[evidence.Record, error] {
			return func(yield func(evidence.Record, error) bool) { yield(evidence.Record{}, err) }
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
