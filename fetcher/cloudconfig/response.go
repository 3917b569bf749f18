package cloudconfig

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// response is the response to any call.
type response struct {
	RequestID text       `json:"RequestId" xml:"RequestId"`
	ReportID  text       `json:"ReportId" xml:"ReportId"` // of the report that was requested
	Packs     *page      `json:"CompliancePacksResult" xml:"CompliancePacksResult"`
	Groups    *groups    `json:"AggregatorsResult" xml:"AggregatorsResult"`
	Templates []template `json:"ReportTemplateList" xml:"ReportTemplateList"`
	Next      text       `json:"NextToken" xml:"NextToken"` // of a list of templates or accounts

	// Of the Resource Directory.
	Accounts *accountsPage `json:"Accounts" xml:"Accounts"`
	Total    text          `json:"TotalCount" xml:"TotalCount"`

	// For evaluations.
	Result text        `json:"Result" xml:"Result"` // whether one was started
	Pack   *pack       `json:"CompliancePack" xml:"CompliancePack"`
	Rule   *configRule `json:"ConfigRule" xml:"ConfigRule"`

	// The report, by its kind.
	PackReport     *reportBody `json:"CompliancePackReport" xml:"CompliancePackReport"`
	RulesReport    *reportBody `json:"ConfigRulesReport" xml:"ConfigRulesReport"`
	TemplateReport *reportBody `json:"TemplateReport" xml:"TemplateReport"`
	Inventory      *reportBody `json:"ResourceInventory" xml:"ResourceInventory"`

	served time.Time // from the Date header, or zero
}

// report returns the report in the response, or nil.
func (a response) report() *reportBody {
	return cmp.Or(a.PackReport, a.RulesReport, a.TemplateReport, a.Inventory)
}

// decode parses a response with status 200.
func decode(body []byte) (response, error) {
	var a response
	if err := unmarshal(body, &a); err != nil {
		return response{}, err
	}
	if a.RequestID == "" && a.report() == nil && a.Packs == nil && a.Groups == nil && a.Accounts == nil && a.Pack == nil && a.Rule == nil {
		return response{}, errors.New("the response lacks the expected content")
	}
	return a, nil
}

// text is a string that some responses write as a number.
type text string

// UnmarshalJSON accepts any scalar.
func (t *text) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, (*string)(t))
	}
	if b[0] == '{' || b[0] == '[' {
		return fmt.Errorf("expected text, found %.1s", b)
	}
	if *t = text(b); string(b) == "null" {
		*t = ""
	}
	return nil
}

// millis is a Unix time in milliseconds, as a number or a string. Null, "" and 0
// are the zero time; anything else is an error.
type millis struct{ time.Time }

// maxMillis is the end of the year 9999, the last that RFC 3339 can represent.
const maxMillis = 253402300799999

// UnmarshalJSON parses 1624869012000, "1624869012000" or null.
func (m *millis) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	return m.UnmarshalText([]byte(t))
}

// UnmarshalText parses the content of an XML element.
func (m *millis) UnmarshalText(b []byte) error {
	*m = millis{}
	s := strings.TrimSpace(string(b))
	if s == "" || s == "0" {
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > maxMillis {
		return fmt.Errorf("%.40q is not a time in milliseconds", s)
	}
	m.Time = time.UnixMilli(n).UTC()
	return nil
}

// unmarshal parses JSON, or XML: every call asks for JSON, but the gateway has
// returned errors as XML, its default for years, and a proxy may return HTML.
func unmarshal(body []byte, v any) error {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF")))
	switch {
	case len(body) == 0:
		return errors.New("the response is empty")
	case body[0] == '<':
		if err := xml.Unmarshal(body, v); err != nil {
			return errors.New("the response is neither JSON nor XML of the API")
		}
		return nil
	case body[0] != '{':
		return errors.New("the response is not a JSON object")
	}
	if err := json.Unmarshal(body, v); err != nil {
		// Messages of encoding/json may quote the input.
		return errors.New("the response is malformed JSON or does not match the API")
	}
	return nil
}
