package cloudconfig

import (
	"fmt"
	"net/http"
	"strings"

	"packseal.example/internal/fault"
)

// APIError is an answer by which the API, or something in front of it,
// refused a call. It stands inside a [fault.Error], which says what kind of
// failure it is and what to do. Its texts are cleaned: they are bounded and
// hold no key, token or link.
type APIError struct {
	Call      string // GenerateCompliancePackReport, …
	Status    int    // HTTP status
	Code      string // the API's word for it; empty when the answer was not the API's
	Message   string // for people
	RequestID string // for Alibaba Cloud's support; may be empty
}

// Error is one line: the call, the code, the message, the status and the request ID.
func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", e.Call)
	if e.Code == "" {
		b.WriteString("not an answer of the API's")
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

// rule is a row of the table of errors. A code that ends in "*" stands for
// all that begin so.
type rule struct {
	code   string
	reason fault.Reason
}

// rules are the codes that are known. The first that matches counts.
func rules() []rule {
	return []rule{
		{"CompliancePackReportCreating", fault.NotReady},
		{"ConfigRuleReportCreating", fault.NotReady},
		{"Invalid.CompliancePackId.Value", fault.NotFound},
		{"Invalid.AggregatorId.Value", fault.NotFound},
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

// family is the code as a metric label.
func (r rule) family() string { return strings.TrimSuffix(r.code, "*") }

func (r rule) matches(code string) bool {
	if family, ok := strings.CutSuffix(r.code, "*"); ok {
		return strings.HasPrefix(code, family)
	}
	return code == r.code
}

// other is the metric label of codes that no rule knows.
const other = "other"

// classify finds the rule for an answer. What did not come from the API, such
// as a proxy's page, says nothing about the call and may pass: it is
// Unavailable whatever its status.
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

// hint says what to do about a refusal of the call.
func (c call) hint(e *APIError, reason fault.Reason) string {
	switch reason {
	case fault.Denied:
		return fmt.Sprintf("allow the RAM action config:%s on %s", c.name, c.resource())
	case fault.NotFound:
		return "look at the pack's id and aggregator, and whether the credentials are of the account and site (China or international) that have it"
	case fault.Credentials:
		return "look at the source's credentials: is the access key active, complete, of this site, and the token not expired?"
	case fault.Request:
		return "look whether endpoint is that of the Config API; if it is, report this with the request ID"
	case fault.Throttled:
		return "lower requests_per_second, or see what else calls the API with this account"
	case fault.Unavailable:
		if e.Code == "" {
			return "look at endpoint, and at any proxy between here and there"
		}
	}
	return ""
}

// resource is what the permission for the call is needed on.
func (c call) resource() string {
	switch {
	case c.pack.ID == "":
		return "*"
	case c.pack.Aggregator != "":
		return "acs:config:*:*:aggregatecompliancepack/" + c.pack.ID
	}
	return "acs:config:*:*:compliancepack/" + c.pack.ID
}
