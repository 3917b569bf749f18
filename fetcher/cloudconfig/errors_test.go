package cloudconfig

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// table has the errors of the API: code, HTTP status, reason, a part of the hint,
// and how often the call is tried.
var table = []struct {
	code   string
	status int
	reason fault.Reason
	hint   string
	tries  int
}{
	{"CompliancePackReportCreating", 400, fault.NotReady, "", 1},
	{"ConfigRuleReportCreating", 400, fault.NotReady, "", 1},
	{"Invalid.CompliancePackId.Value", 400, fault.NotFound, "pack's id", 1},
	{"Invalid.AggregatorId.Value", 400, fault.NotFound, "aggregator", 1},
	{"NoPermission", 403, fault.Denied, "config:GetCompliancePackReport on acs:config:*:*:compliancepack/cp-1", 1},
	{"NoPermission", 400, fault.Denied, "RAM action", 1},
	{"Forbidden", 403, fault.Denied, "RAM action", 1},
	{"Forbidden.RAM", 403, fault.Denied, "RAM action", 1},
	{"AccountNotExisted", 404, fault.NotFound, "account", 1},
	{"MissingCompliancePackId", 400, fault.Request, "request ID", 1},
	{"MissingParameter", 400, fault.Request, "endpoint", 1},
	{"InvalidApi.NotFound", 404, fault.Request, "endpoint", 1},
	{"InvalidAction.NotFound", 404, fault.Request, "endpoint", 1},
	{"InvalidVersion", 400, fault.Request, "endpoint", 1},
	{"InvalidAccessKeyId.NotFound", 404, fault.Credentials, "access key", 1},
	{"InvalidAccessKeyId.Inactive", 403, fault.Credentials, "active", 1},
	{"SignatureDoesNotMatch", 400, fault.Credentials, "complete", 1},
	{"IncompleteSignature", 400, fault.Credentials, "credentials", 1},
	{"InvalidSecurityToken.Expired", 403, fault.Credentials, "token", 2},
	{"InvalidSecurityToken.Malformed", 400, fault.Credentials, "token", 2},
	{"InvalidTimeStamp.Expired", 400, fault.ClockSkew, "clock", 2},
	{"SignatureNonceUsed", 400, fault.Unavailable, "", 2},
	{"Throttling", 400, fault.Throttled, "requests_per_second", 5},
	{"Throttling.User", 400, fault.Throttled, "requests_per_second", 5},
	{"Throttling.Api", 400, fault.Throttled, "requests_per_second", 5},
	{"Rejected.Throttling", 400, fault.Throttled, "requests_per_second", 5},
	{"ServiceUnavailable", 503, fault.Unavailable, "", 3},
	{"InternalError", 500, fault.Unavailable, "", 3},
	{"SomethingNew", 500, fault.Unavailable, "", 3},
	{"SomethingNew", 400, fault.Request, "request ID", 1},
	{"SomethingNew", 429, fault.Throttled, "requests_per_second", 5},
}

func TestErrorTable(t *testing.T) {
	t.Parallel()
	for form, body := range map[string]string{
		"json": `{"RequestId":"R-1","HostId":"h","Code":"CODE","Message":"no MARKED/token+=","Recommend":"https://x?MARKED"}`,
		"xml":  `<?xml version="1.0" encoding="UTF-8"?><Error><RequestId>R-1</RequestId><HostId>h</HostId><Code>CODE</Code><Message>no MARKED/token+=</Message></Error>`,
	} {
		for _, row := range table {
			t.Run(form+"/"+row.code+"/"+http.StatusText(row.status), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := &stub{answer: func(int, *http.Request) (*http.Response, error) {
						return respond(row.status, strings.Replace(body, "CODE", row.code, 1)), nil
					}}
					_, err := newTest(t, s).do(t.Context(), reportCall("Get", aPack))
					if got := fault.Of(err); got != row.reason {
						t.Errorf("%v is %q, want %q", err, got, row.reason)
					}
					if got := fault.Hint(err); !strings.Contains(got, row.hint) || row.hint == "" && got != "" {
						t.Errorf("hint %q, want one with %q", got, row.hint)
					}
					if len(s.seen) != row.tries {
						t.Errorf("tried %d times, want %d", len(s.seen), row.tries)
					}
					e, ok := errors.AsType[*APIError](err)
					want := APIError{Call: "GetCompliancePackReport", Status: row.status, Code: row.code, Message: "no (secret)", RequestID: "R-1"}
					if !ok || *e != want {
						t.Errorf("got %+v, want %+v", e, want)
					}
					cleanError(t, err)
				})
			})
		}
	}
}

// htmlPage is an HTML page with error codes of the API.
const htmlPage = "<html><body><h1>NoPermission</h1><p>Throttling.User MARKED</p></body></html>"

// Responses that are not from the API, such as those of a proxy.
func TestInvalidResponses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		reason fault.Reason
		want   string
	}{
		"html 502":        {502, "<html><head><title>Bad <br> Gateway</title></head></html>", fault.Unavailable, "Bad Gateway (HTTP status 502"},
		"html 400":        {400, htmlPage, fault.Unavailable, "Bad Request (HTTP status 400"},
		"html 404":        {404, htmlPage, fault.Unavailable, "Not Found (HTTP status 404"},
		"html 429":        {429, htmlPage, fault.Throttled, "Too Many Requests (HTTP status 429"},
		"html 500":        {500, htmlPage, fault.Unavailable, "Internal Server Error (HTTP status 500"},
		"html 503":        {503, htmlPage, fault.Unavailable, "Service Unavailable (HTTP status 503"},
		"html 403":        {403, "<!DOCTYPE html><html><body>blocked by policy</body></html>", fault.Unavailable, "Forbidden (HTTP status 403"},
		"empty 503":       {503, "", fault.Unavailable, "Service Unavailable (HTTP status 503"},
		"empty 429":       {429, "", fault.Throttled, "Too Many Requests (HTTP status 429"},
		"redirect":        {302, "", fault.Unavailable, "Found (HTTP status 302"},
		"json without":    {500, `{"error":"MARKED"}`, fault.Unavailable, "Internal Server Error (HTTP status 500"},
		"json list":       {400, `[1]`, fault.Unavailable, "Bad Request (HTTP status 400"},
		"html 200":        {200, "<html>log in</html>", fault.Damaged, "lacks the expected content"},
		"broken xml 200":  {200, "<html", fault.Damaged, "neither JSON nor"},
		"empty 200":       {200, "", fault.Damaged, "empty"},
		"empty object":    {200, "{}", fault.Damaged, "lacks the expected content"},
		"truncated":       {200, `{"RequestId":"R`, fault.Damaged, "malformed"},
		"other shape":     {200, `{"RequestId":"R","CompliancePackReport":[]}`, fault.Damaged, "does not match the API"},
		"nonsense time":   {200, `{"RequestId":"R","CompliancePackReport":{"ReportCreateTimestamp":"MARKED"}}`, fault.Damaged, "does not match the API"},
		"endless":         {200, strings.Repeat(" ", maxResponse+1), fault.Damaged, "over 1048576 bytes"},
		"of another pack": {200, `{"RequestId":"R","CompliancePackReport":{"CompliancePackId":"cp-2"}}`, fault.Damaged, "cp-2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &stub{answer: func(int, *http.Request) (*http.Response, error) {
					return respond(c.status, c.body, "X-Acs-Request-Id", "R-header", "Location", "https://elsewhere/?MARKED"), nil
				}}
				_, _, err := newTest(t, s).get(t.Context(), aPack, "")
				if fault.Of(err) != c.reason || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %q: %v, want %q with %q", fault.Of(err), err, c.reason, c.want)
				}
				if e, ok := errors.AsType[*APIError](err); ok && (e.RequestID != "R-header" || e.Code != "") {
					t.Errorf("got %+v", e)
				}
				cleanError(t, err)
			})
		})
	}
}

func TestHintNamesTheResource(t *testing.T) {
	t.Parallel()
	for want, q := range map[string]call{
		"config:GenerateCompliancePackReport on acs:config:*:*:compliancepack/cp-1":              reportCall("Generate", aPack),
		"config:GetAggregateCompliancePackReport on acs:config:*:*:aggregatecompliancepack/cp-2": reportCall("Get", evidence.PackRef{ID: "cp-2", Aggregator: "ca-1"}),
		"config:GenerateAggregateConfigRulesReport on *":                                         reportCall("Generate", evidence.PackRef{ID: "rules", Aggregator: "ca-1"}),
		"config:GetReportFromTemplate on *":                                                      reportCall("Get", evidence.PackRef{ID: "crt-1"}),
		"config:GenerateResourceInventory on *":                                                  reportCall("Generate", evidence.PackRef{ID: "inventory"}),
		"config:ListCompliancePacks on *":                                                        listCall("", 1),
		"config:ListAggregateCompliancePacks on *":                                               listCall("ca-1", 1),
	} {
		if got := q.hint(&APIError{}, fault.Denied); got != "allow the RAM action "+want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Messages of the API that quote secrets.
func TestSanitize(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":                                            "plain",
		"id MARKED-id, key MARKED-secret":                  "id (secret), key (secret)",
		"escaped MARKED%2Ftoken%2B%3D there":               "escaped (secret) there",
		"two\r\nlines\x00 \x1b[31m":                        "two  lines [31m",
		"see https://b.oss/x.xls?Signature=MARKED&x=y now": "see https://b.oss/x.xls now",
		"mismatch, server string to sign is:POST\nMARKED":  "mismatch,",
		"合规包不存在":                                           "合规包不存在",
		strings.Repeat("规", 100):                           strings.Repeat("规", 33) + "…",
	} {
		if got := sanitize(marked, in, 100); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
