package cloudconfig

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// listing returns a page of packs: items, and the total where it is not empty.
func listing(total string, items ...string) *http.Response {
	if total != "" {
		total = `"TotalCount":` + total + ","
	}
	return respond(200, `{"RequestId":"R","CompliancePacksResult":{`+total+`"CompliancePacks":[`+strings.Join(items, ",")+`]}}`)
}

func TestPacksEnds(t *testing.T) {
	t.Parallel()
	item := func(id string) string {
		return fmt.Sprintf(`{"AccountId":"12","CompliancePackId":%q,"CompliancePackName":"名","Status":"ACTIVE","CreateTimestamp":"1624869012000"}`, id)
	}
	for name, c := range map[string]struct {
		total string
		pages []string // of items; the last one is repeated
		want  int
		calls int
	}{
		"empty":                    {`"?"`, []string{""}, 0, 1},
		"one":                      {`"?"`, []string{item("a"), ""}, 1, 2},
		"moved":                    {`"?"`, []string{item("a") + "," + item("b"), item("b") + "," + item("c"), ""}, 3, 3},
		"the same again":           {`"?"`, []string{item("a")}, 1, 2},
		"without an ID":            {`"?"`, []string{item("")}, 0, 1},
		"numbers as text":          {`"?"`, []string{`{"AccountId":12,"CompliancePackId":"a","CompliancePackName":"名","Status":"ACTIVE","CreateTimestamp":1624869012000}`}, 1, 2},
		"as many as there are":     {"2", []string{item("a") + "," + item("b")}, 2, 1},
		"more than there were":     {"1", []string{item("a") + "," + item("b")}, 2, 1},
		"one moved out of sight":   {"3", []string{item("a") + "," + item("b"), item("b"), item("c")}, 2, 2},
		"no total":                 {"", []string{item("a"), item("b"), ""}, 2, 3},
		"a total of 0 with a pack": {"0", []string{item("a"), ""}, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &stub{answer: func(n int, _ *http.Request) (*http.Response, error) {
					return listing(c.total, c.pages[min(n, len(c.pages)-1)]), nil
				}}
				n := 0
				for p, err := range newTest(t, s).Packs(t.Context(), "ca-1") {
					if err != nil {
						t.Fatal(err)
					}
					n++
					want := fetcher.PackInfo{ID: p.ID, Aggregator: "ca-1", Account: "12", Name: "名", Status: "ACTIVE", Created: time.UnixMilli(1624869012000).UTC()}
					if diff := cmp.Diff(want, p); diff != "" {
						t.Error(diff)
					}
				}
				if n != c.want || len(s.seen) != c.calls {
					t.Errorf("%d packs by %d calls, want %d by %d", n, len(s.seen), c.want, c.calls)
				}
			})
		})
	}
}

// A listing that never ends is stopped, and is not taken for complete.
func TestPacksIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{answer: func(n int, _ *http.Request) (*http.Response, error) {
			return listing("", fmt.Sprintf(`{"CompliancePackId":"cp-%d"}`, n)), nil
		}}
		var last error
		for _, last = range newTest(t, s).Packs(t.Context(), "") {
		}
		if len(s.seen) != maxPages || fault.Of(last) != fault.Damaged {
			t.Errorf("%d pages, %v", len(s.seen), last)
		}
	})
}

// TestListingIsLimited: listings count by their names, and hold up no call of another.
func TestListingIsLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{answer: func(n int, r *http.Request) (*http.Response, error) {
			switch r.Header.Get("X-Acs-Action") {
			case "ListCompliancePacks":
				return listing("", fmt.Sprintf(`{"CompliancePackId":"cp-%d"}`, min(n, 2))), nil
			case "ListAggregators":
				return respond(200, `{"RequestId":"R","AggregatorsResult":{"Aggregators":[]}}`), nil
			}
			return reporting("COMPLETE", "https://x", due), nil
		}}
		c := newTest(t, s)
		c.limits = newLimits(1000, map[string]int{"ListCompliancePacks": 2}, nil)
		began := time.Now()
		n := 0
		for _, err := range c.Packs(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 2 { // as many as are allowed were asked for
				for range c.Aggregators(t.Context()) {
				}
				if _, err := c.Gone(t.Context(), evidence.PackRef{ID: "cp-1"}); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took >= time.Minute {
					t.Errorf("other calls waited for %s", took)
				}
			}
		}
		if took := time.Since(began); n < 2 || took < time.Minute || took > 2*time.Minute {
			t.Errorf("%d packs within %s", n, took)
		}
	})
}

// TestPackInfo: what a listing says is on one line and bounded, whatever people
// called their packs.
func TestPackInfo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{answer: func(int, *http.Request) (*http.Response, error) {
			return listing("1", `{"CompliancePackId":"cp-1","AccountId":7,"CompliancePackName":"a\u0000b\u001b[31mc\r\nd\u202e\ufffd`+strings.Repeat("长", 300)+`",
				"CompliancePackTemplateId":"ct-1\n","RiskLevel":"2","Status":"IN\u0007ACTIVE","Tags":[{"TagKey":"env","TagValue":"prod\t1"},{"TagKey":"n","TagValue":5},{}]}`), nil
		}}
		for p, err := range newTest(t, s).Packs(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Name) > maxName || !strings.HasPrefix(p.Name, "ab[31mc  d长") || !strings.HasSuffix(p.Name, "长…") {
				t.Errorf("the name is %q", p.Name)
			}
			p.Name = ""
			want := fetcher.PackInfo{ID: "cp-1", Account: "7", Status: "INACTIVE", Template: "ct-1", Risk: 2, Tags: map[string]string{"env": "prod 1", "n": "5", "": ""}}
			if diff := cmp.Diff(want, p); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// TestAggregators follows the tokens to the end, and no further.
func TestAggregators(t *testing.T) {
	t.Parallel()
	page := func(next string, items ...string) *http.Response {
		return respond(200, `{"RequestId":"R","AggregatorsResult":{"NextToken":"`+next+`","Aggregators":[`+strings.Join(items, ",")+`]}}`)
	}
	group := func(id, status string) string {
		return `{"AggregatorId":"` + id + `","AggregatorName":"组\u0007","AggregatorStatus":` + status + `}`
	}
	for name, c := range map[string]struct {
		pages []*http.Response
		want  string
		err   fault.Reason
	}{
		"none":            {[]*http.Response{page("")}, "", ""},
		"two pages":       {[]*http.Response{page("t+1", group("ca-1", "1"), group("ca-2", "0")), page("", group("ca-3", `"1"`))}, "ca-1 ca-2(creating) ca-3", ""},
		"a word":          {[]*http.Response{page("", group("ca-1", `"creating"`), group("ca-2", `"NORMAL"`), group("", "1"))}, "ca-1(creating) ca-2", ""},
		"null":            {[]*http.Response{respond(200, `{"RequestId":"R","AggregatorsResult":null}`)}, "", ""},
		"round and round": {[]*http.Response{page("t", group("ca-1", "1")), page("t", group("ca-2", "1"))}, "ca-1", fault.Damaged},
		"denied":          {[]*http.Response{refusing(403, "NoPermission")}, "", fault.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &stub{answer: func(n int, _ *http.Request) (*http.Response, error) { return c.pages[min(n, len(c.pages)-1)], nil }}
				var got []string
				for g, err := range newTest(t, s).Aggregators(t.Context()) {
					if fault.Of(err) != "" {
						if fault.Of(err) != c.err || c.err == fault.Denied && !strings.Contains(fault.Hint(err), "config:ListAggregators on *") {
							t.Errorf("got %v, hint %s", err, fault.Hint(err))
						}
						c.err = ""
						break
					}
					if g.Creating {
						g.ID += "(creating)"
					}
					if g.Name != "组" {
						t.Errorf("name %q", g.Name)
					}
					got = append(got, g.ID)
				}
				if strings.Join(got, " ") != c.want || c.err != "" {
					t.Errorf("got %q, and not %q", got, c.err)
				}
				tokens := []string{"", "t+1"}
				for i, r := range s.seen {
					if q, _ := url.ParseQuery(r.URL.RawQuery); q.Get("MaxResults") != "100" || name == "two pages" && q.Get("NextToken") != tokens[i] {
						t.Errorf("call %d: %s", i, r.URL.RawQuery)
					}
				}
			})
		})
	}
}

// TestTemplates follows the tokens, and takes of a template what can be shown.
func TestTemplates(t *testing.T) {
	t.Parallel()
	page := func(next, items string) *http.Response {
		return respond(200, `{"RequestId":"R","NextToken":"`+next+`","TotalCount":3,"ReportTemplateList":[`+items+`]}`)
	}
	synctest.Test(t, func(t *testing.T) {
		s := &stub{answer: func(n int, _ *http.Request) (*http.Response, error) {
			return []*http.Response{
				page("t+1", `{"ReportTemplateId":"crt-1","ReportTemplateName":"月报\u001b[31m","SubscriptionFrequency":"0 0 2 1 * ?"},{"ReportTemplateName":"no ID"}`),
				page("", `{"ReportTemplateId":"crt-2"}`), refusing(403, "NoPermission"),
			}[n], nil
		}}
		client := newTest(t, s)
		var got []fetcher.PackInfo
		for p, err := range client.Templates(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, p)
		}
		if diff := cmp.Diff([]fetcher.PackInfo{{ID: "crt-1", Name: "月报[31m"}, {ID: "crt-2"}}, got); diff != "" {
			t.Error(diff)
		}
		for i, want := range []string{"MaxResults=50", "MaxResults=50&NextToken=t%2B1"} {
			if q := s.seen[i].URL.RawQuery; q != want {
				t.Errorf("call %d: %s", i, q)
			}
		}
		for _, err := range client.Templates(t.Context()) {
			if fault.Of(err) != fault.Denied || !strings.Contains(fault.Hint(err), "config:ListReportTemplates on *") {
				t.Errorf("got %v, hint %s", err, fault.Hint(err))
			}
		}
	})
}

// TestGone: only the API's own word makes a pack one that is gone.
func TestGone(t *testing.T) {
	t.Parallel()
	group := evidence.PackRef{ID: "cp-1", Aggregator: "ca-1"}
	for name, c := range map[string]struct {
		pack   evidence.PackRef
		status int
		code   string // of the API; empty: a proxy answers
		gone   bool
		err    fault.Reason
	}{
		"no such pack":         {aPack, 400, "Invalid.CompliancePackId.Value", true, ""},
		"no such group":        {group, 400, "Invalid.AggregatorId.Value", true, ""},
		"a group of none":      {aPack, 400, "Invalid.AggregatorId.Value", false, fault.NotFound},
		"no such account":      {aPack, 404, "AccountNotExisted", false, fault.NotFound},
		"not permitted":        {aPack, 403, "NoPermission", false, fault.Denied},
		"a proxy's 404":        {aPack, 404, "", false, fault.Unavailable},
		"no such template":     {evidence.PackRef{ID: "crt-1"}, 400, "Invalid.ReportTemplateId.Value", true, ""},
		"a template, unknown":  {evidence.PackRef{ID: "crt-1"}, 400, "ReportTemplateNotExists", false, fault.Request},
		"a code of its family": {aPack, 400, "Invalid.CompliancePackId.Other", false, fault.Request},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &stub{answer: func(int, *http.Request) (*http.Response, error) {
					if c.code == "" {
						return respond(c.status, "<html>"), nil
					}
					return refusing(c.status, c.code), nil
				}}
				gone, err := newTest(t, s).Gone(t.Context(), c.pack)
				if gone != c.gone || fault.Of(err) != c.err {
					t.Errorf("gone: %t, %v", gone, err)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := &stub{answer: func(int, *http.Request) (*http.Response, error) { return reporting("NONE", "", due), nil }}
		if gone, err := newTest(t, s).Gone(t.Context(), aPack); gone || err != nil {
			t.Errorf("a pack without a report: %t, %v", gone, err)
		}
	})
}
