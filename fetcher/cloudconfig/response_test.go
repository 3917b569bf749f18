package cloudconfig

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeIsLenient(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1624869012000).UTC()
	for name, body := range map[string]string{
		"as documented":   `{"RequestId":"R","CompliancePackReport":{"AccountId":"100931896542","CompliancePackId":"cp-1","ReportCreateTimestamp":1624869012000,"ReportStatus":"COMPLETE","ReportUrl":"https://x"}}`,
		"number and text": `{"RequestId":"R","CompliancePackReport":{"AccountId":100931896542,"CompliancePackId":"cp-1","ReportCreateTimestamp":"1624869012000","ReportStatus":"COMPLETED","ReportUrl":"https://x"}}`,
		"unknown fields":  `{"New":[{}],"RequestId":"R","CompliancePackReport":{"Size":{"a":1},"AccountId":100931896542,"ReportCreateTimestamp":1624869012000,"ReportStatus":"complete","ReportUrl":"https://x"}}`,
		"after a mark":    "\ufeff \n" + `{"RequestId":"R","CompliancePackReport":{"AccountId":100931896542,"ReportCreateTimestamp":1624869012000,"ReportStatus":"COMPLETE","ReportUrl":"https://x"}}`,
		"xml": `<?xml version="1.0"?><GetCompliancePackReportResponse><RequestId>R</RequestId><CompliancePackReport><AccountId>100931896542</AccountId>` +
			`<ReportCreateTimestamp>1624869012000</ReportCreateTimestamp><ReportStatus>COMPLETE</ReportStatus><ReportUrl>https://x</ReportUrl></CompliancePackReport></GetCompliancePackReportResponse>`,
	} {
		a, err := decode([]byte(body))
		if err != nil || a.report() == nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r := a.report().decoded(); a.RequestID != "R" || r.Account != "100931896542" || !r.Created.Equal(at) || !r.complete() || r.URL != "https://x" {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}

// Each kind has its own names for the same things.
func TestDecodeKinds(t *testing.T) {
	t.Parallel()
	at, later := time.UnixMilli(1624869012000).UTC(), time.UnixMilli(1624869013000).UTC()
	for body, want := range map[string]report{
		`{"ConfigRulesReport":{"AccountId":1,"ReportId":"crp-1","ReportCreateTimestamp":1624869012000,"ReportStatus":"COMPLETE","ReportUrl":"u"}}`: {
			ID: "crp-1", Account: "1", Began: at, Created: at, Status: "COMPLETE", URL: "u"},
		`{"TemplateReport":{"TemplateReportId":"crtr-1","ReportCreateStartTimestamp":"1624869012000","ReportCreateEndTimestamp":1624869013000,"Status":"FAILED","ReportUrl":"u"}}`: {
			ID: "crtr-1", Began: at, Created: later, Status: "FAILED", URL: "u"},
		`{"TemplateReport":{"TemplateReportId":"crtr-1","ReportCreateEndTimestamp":1624869013000,"Status":"COMPLETE"}}`: {
			ID: "crtr-1", Began: later, Created: later, Status: "COMPLETE"},
		`{"ResourceInventory":{"DownloadUrl":"u","Status":"COMPLETE","ResourceInventoryGenerateTime":1624869012000}}`: {
			Began: at, Created: at, Status: "COMPLETE", URL: "u"},
		`<R><ResourceInventory><DownloadUrl>u</DownloadUrl><Status>CREATING</Status><ResourceInventoryGenerateTime>1624869012000</ResourceInventoryGenerateTime></ResourceInventory></R>`: {
			Began: at, Created: at, Status: "CREATING", URL: "u"},
		`{"ResourceInventory":{}}`: {},
	} {
		a, err := decode([]byte(body))
		if err != nil || a.report() == nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if diff := cmp.Diff(want, a.report().decoded()); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
}

func TestMillis(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]time.Time{
		`0`: {}, `"0"`: {}, `""`: {}, `null`: {}, `1`: time.UnixMilli(1).UTC(), `253402300799999`: time.UnixMilli(maxMillis).UTC(),
	} {
		var m millis
		if err := m.UnmarshalJSON([]byte(in)); err != nil || !m.Equal(want) {
			t.Errorf("%s: %v, %v", in, m, err)
		}
	}
	for _, in := range []string{`-1`, `253402300800000`, `1e3`, `1.5`, `"x"`, `{}`, `[]`, `true`, `99999999999999999999`} {
		var m millis
		if err := m.UnmarshalJSON([]byte(in)); err == nil {
			t.Errorf("%s is %v", in, m)
		}
	}
}

// FuzzAnswer: no body causes a panic, as a response or as an error; what is
// accepted is usable, and errors are short, printable and without the keys.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"RequestId":"R","CompliancePackReport":{"AccountId":1,"ReportCreateTimestamp":"1624869012000","ReportStatus":"COMPLETE","ReportUrl":"u"}}`,
		`{"RequestId":"R","CompliancePacksResult":{"CompliancePacks":[{"CompliancePackId":"cp-1"},null]}}`,
		`{"RequestId":"R","ReportId":"crp-1","ConfigRulesReport":{"ReportId":"crp-1","ReportStatus":"CREATING"}}`,
		`{"TemplateReport":{"TemplateReportId":5,"ReportCreateStartTimestamp":"1624869012000","ReportCreateEndTimestamp":null,"Status":"TIMEOUT"}}`,
		`{"ResourceInventory":{"DownloadUrl":"u","Status":"COMPLETE","ResourceInventoryGenerateTime":"1624869012000"}}`,
		`{"RequestId":"R","CompliancePacksResult":{"TotalCount":1,"CompliancePacks":[{"CompliancePackId":"cp-1","CompliancePackName":"a\u0000","RiskLevel":"1","Tags":[{"TagKey":"k","TagValue":1}]}]}}`,
		`{"RequestId":"R","AggregatorsResult":{"NextToken":"t","Aggregators":[{"AggregatorId":"ca-1","AggregatorStatus":0},null]}}`,
		`{"RequestId":"R-1","Code":"SignatureDoesNotMatch","Message":"server string to sign is:MARKED-id"}`,
		`<Error><RequestId>R</RequestId><Code>MARKED-secret</Code><Message>m</Message></Error>`,
		`<html><body>502</body></html>`, `null`, `[`, ``, "\xff",
	} {
		f.Add([]byte(seed), 400)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		if a, err := decode(body); err == nil {
			if b := a.report(); b != nil {
				if r := b.decoded(); r.Created.Year() > 9999 || r.Began.Year() > 9999 || r.complete() && r.idle() {
					t.Errorf("accepted %+v", r)
				}
			}
			for _, p := range a.page().Packs {
				if info := p.info(""); strings.ContainsFunc(info.Name+info.Status+info.Template+info.Account, unicode.IsControl) || len(info.Name) > maxName {
					t.Errorf("pack %+v", info)
				}
			}
		} else {
			clean(t, err.Error())
		}
		e := newAPIError("Call", &http.Response{StatusCode: status, Header: http.Header{}}, body, marked)
		message := e.Error()
		if len(message) > 800 || strings.ContainsFunc(message, unicode.IsControl) {
			t.Errorf("message %q", message)
		}
		for _, key := range []string{"MARKED-id", "MARKED-secret"} {
			if strings.Contains(message, key) {
				t.Errorf("a key in %q", message)
			}
		}
		if reason := classify(e.Code, status).reason; reason == "" {
			t.Error("no reason")
		}
	})
}
