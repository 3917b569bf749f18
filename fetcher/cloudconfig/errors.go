package cloudconfig

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/ram"
)

// APIError is an error response of the API, or of a proxy in front of it. It is
// wrapped in a [fault.Error] with reason and hint. Its texts are sanitized: they
// are limited in length and contain no key, token or link.
type APIError struct {
	Call      string // GenerateCompliancePackReport, …
	Status    int    // HTTP status
	Code      string // of the API; empty if the response is not from the API
	Message   string // for people
	RequestID string // for support of Alibaba Cloud; may be empty

	all bool // there were too many calls of all names, not only of this
}

// Error returns call, code, message, status and request ID on one line.
func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", e.Call)
	if e.Code == "" {
		b.WriteString("not a response of the Config API")
	} else {
		b.WriteString(e.Code)
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", e.Message)
	}
	fmt.Fprintf(&b, " (HTTP status %d", e.Status)
	if e.RequestID != "" {
		fmt.Fprintf(&b, ", request %s", e.RequestID)
	}
	return b.String() + ")"
}

// errorBody is the body of an error response.
type errorBody struct {
	Code      text
	Message   text
	RequestID text `json:"RequestId" xml:"RequestId"`
}

// newAPIError returns the error for a response whose status is not 200. Code is
// empty if the body is not that of the API.
func newAPIError(name string, res *http.Response, body []byte, k ram.Keys) *APIError {
	e := &APIError{Call: name, Status: res.StatusCode}
	var r errorBody
	if err := unmarshal(body, &r); err != nil || r.Code == "" {
		r = errorBody{Message: text(http.StatusText(res.StatusCode))}
	}
	if r.RequestID == "" {
		r.RequestID = text(res.Header.Get("X-Acs-Request-Id"))
	}
	e.Code, e.Message, e.RequestID = sanitize(k, string(r.Code), 80), sanitize(k, string(r.Message), 300), sanitize(k, string(r.RequestID), 80)
	return e
}

// query matches the query of a URL, which may be signed.
var query = regexp.MustCompile(`(https?://[^\s?"'<>]*)\?[^\s"'<>]*`)

// sanitize makes text of a response fit for an error: on one line, limited in
// length, and without the keys, which the API quotes if the signature is wrong.
func sanitize(k ram.Keys, s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s)
	// The API quotes the whole request, headers included.
	s, _, _ = strings.Cut(s, "server string to sign is")
	for _, v := range []string{k.Secret.Reveal(), k.Token.Reveal(), k.ID.Reveal()} {
		if v != "" {
			s = strings.ReplaceAll(s, v, "(secret)")
			s = strings.ReplaceAll(s, url.QueryEscape(v), "(secret)")
		}
	}
	if strings.Contains(s, "?") {
		s = query.ReplaceAllString(s, "$1")
	}
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return strings.TrimSpace(s)
}

// rule maps an error code to a reason. A code that ends in "*" matches all codes
// with that prefix.
type rule struct {
	code   string
	reason fault.Reason
}

// rules returns the rules for known codes. The first match wins.
func rules() []rule {
	return []rule{
		{"CompliancePackReportCreating", fault.NotReady},
		{"ConfigRuleReportCreating", fault.NotReady},
		{"Invalid.CompliancePackId.Value", fault.NotFound},
		{"Invalid.AggregatorId.Value", fault.NotFound},
		{"Invalid.ReportTemplateId.Value", fault.NotFound},
		{"AccountNotExisted", fault.NotFound},
		{"NoPermission", fault.Denied},
		{"Forbidden*", fault.Denied},
		{"Missing*", fault.Request},
		{"InvalidApi.NotFound", fault.Request},
		{"InvalidAction.NotFound", fault.Request},
		{"InvalidVersion", fault.Request},
		{"InvalidAccessKeyId*", fault.Credentials},
		{"SignatureDoesNotMatch", fault.Credentials},
		{"IncompleteSignature", fault.Credentials},
		{"InvalidSecurityToken*", fault.Credentials},
		{"InvalidTimeStamp.Expired", fault.ClockSkew},
		{"SignatureNonceUsed", fault.Unavailable},
		{"Throttling*", fault.Throttled},
		{"Rejected.Throttling", fault.Throttled},
		{"ServiceUnavailable", fault.Unavailable},
		{"InternalError", fault.Unavailable},
	}
}

// family returns the code as a metric label.
func (r rule) family() string { return strings.TrimSuffix(r.code, "*") }

func (r rule) matches(code string) bool {
	if family, ok := strings.CutSuffix(r.code, "*"); ok {
		return strings.HasPrefix(code, family)
	}
	return code == r.code
}

// other is the metric label of unknown codes.
const other = "other"

// classify returns the rule for an error response. One that is not from the API,
// such as the page of a proxy, is Unavailable whatever its status.
func classify(code string, status int) rule {
	for _, r := range rules() {
		if r.matches(code) {
			return r
		}
	}
	switch {
	case status == http.StatusTooManyRequests:
		return rule{other, fault.Throttled}
	case code == "" || status >= 500 || status == http.StatusRequestTimeout:
		return rule{other, fault.Unavailable}
	}
	return rule{other, fault.Request}
}

// hint returns what to do about an error response.
func (c call) hint(e *APIError, reason fault.Reason) string {
	if c.directory != nil && e.Code != "" {
		switch reason {
		case fault.Denied:
			return "allow the RAM action resourcedirectory:ListAccounts on *, to the management account of the Resource Directory or a delegated administrator: no other account may list"
		case fault.NotFound, fault.Request:
			return "check accounts.endpoint, and that the account of the credentials manages a Resource Directory"
		}
	}
	switch reason {
	case fault.Denied:
		return fmt.Sprintf("allow the RAM action config:%s on %s", c.name, c.resource())
	case fault.NotFound:
		if c.pack.Kind() == evidence.Template {
			return "check the id of the report template, and whether it was deleted"
		}
		return "check the pack's id and aggregator, and that the credentials belong to its account and site (China or international)"
	case fault.Credentials:
		return "check the source's credentials: the access key must be active, complete and of this site, and the token not expired"
	case fault.Request:
		return "check that endpoint is that of the Config API; if it is, report a bug with the request ID"
	case fault.Throttled:
		return "lower requests_per_second, or find what else calls the API with this account"
	case fault.Unavailable:
		if e.Code == "" && c.directory != nil {
			return "check accounts.endpoint, and any proxy in between"
		} else if e.Code == "" {
			return "check endpoint, and any proxy in between"
		}
	}
	return ""
}

// resource returns the resource that the call needs permission for: "*", unless it is
// known that a narrower one will do.
func (c call) resource() string {
	switch {
	case !strings.HasSuffix(c.name, "CompliancePackReport"):
		return "*"
	case c.pack.Aggregator != "":
		return "acs:config:*:*:aggregatecompliancepack/" + c.pack.ID
	}
	return "acs:config:*:*:compliancepack/" + c.pack.ID
}
