package sim

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strconv"
)

// The answers, as both JSON and XML write them. Field names are the API's, so
// that no tag can differ from the name by a slip. AccountId is a number, as in
// the vendor's SDK, where one of the documents' examples has text; and what a
// pack without a report has no value for is left out.
type (
	generated struct {
		CompliancePackId string
		RequestId        string
	}

	got struct {
		CompliancePackReport packReport
		RequestId            string
	}

	packReport struct {
		AccountId             int64
		CompliancePackId      string
		ReportCreateTimestamp int64 `json:",omitempty" xml:",omitempty"` // ms
		ReportStatus          string
		ReportUrl             string `json:",omitempty" xml:",omitempty"`
	}

	packList struct {
		CompliancePacksResult packPage
		RequestId             string
	}

	packPage struct {
		CompliancePacks []packItem
		PageNumber      int
		PageSize        int
		TotalCount      int
	}

	packItem struct {
		AccountId          int64
		AggregatorId       string `json:",omitempty" xml:",omitempty"`
		CompliancePackId   string
		CompliancePackName string
		CreateTimestamp    int64
		RiskLevel          int
		Status             string
	}

	groupList struct {
		AggregatorsResult groupPage
		RequestId         string
	}

	groupPage struct {
		Aggregators []groupItem
		MaxResults  int
		NextToken   string `json:",omitempty" xml:",omitempty"`
	}

	groupItem struct {
		AggregatorId     string
		AggregatorName   string
		AggregatorStatus int
		AggregatorType   string
	}

	errorAnswer struct {
		RequestId string
		HostId    string
		Code      string
		Message   string
		Recommend string
	}
)

// answer writes v as the call wants it; root is the element's name in XML.
func answer(w http.ResponseWriter, c *call, status int, root string, v any) {
	var b bytes.Buffer
	var err error
	kind := "text/xml;charset=utf-8"
	if c.wantsJSON() {
		kind = "application/json;charset=utf-8"
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false) // links are written with their &
		err = enc.Encode(v)
	} else {
		b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>`)
		err = xml.NewEncoder(&b).EncodeElement(v, xml.StartElement{Name: xml.Name{Local: root}})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	w.Write(b.Bytes()) //nolint:errcheck // the caller hung up
}
