package sim

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strconv"
)

// The responses, in both JSON and XML. Fields have the names of the API, without
// tags. AccountId is a number as in the vendor's SDK, although one example in the
// documentation has a string. Fields without a value are omitted if a pack has no
// report.
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

	generatedRules struct {
		ReportId  string
		RequestId string
	}

	generatedLatest struct {
		RequestId string
	}

	gotRules struct {
		ConfigRulesReport rulesReport
		RequestId         string
	}

	rulesReport struct {
		AccountId             int64
		AggregatorId          string `json:",omitempty" xml:",omitempty"`
		ReportCreateTimestamp int64  `json:",omitempty" xml:",omitempty"` // ms
		ReportId              string
		ReportStatus          string
		ReportUrl             string `json:",omitempty" xml:",omitempty"`
	}

	gotTemplate struct {
		RequestId      string
		TemplateReport *templateReport `json:",omitempty" xml:",omitempty"`
	}

	templateReport struct {
		AccountId                  int64
		ReportCreateEndTimestamp   int64 `json:",omitempty" xml:",omitempty"` // ms
		ReportCreateStartTimestamp int64 // ms
		ReportTemplateId           string
		ReportUrl                  string `json:",omitempty" xml:",omitempty"`
		Status                     string
		TemplateReportId           string
	}

	gotInventory struct {
		RequestId         string
		ResourceInventory *inventoryReport `json:",omitempty" xml:",omitempty"`
	}

	inventoryReport struct {
		DownloadUrl                   string `json:",omitempty" xml:",omitempty"`
		ResourceInventoryGenerateTime int64  // ms
		Status                        string
	}

	evaluationStarted struct {
		RequestId string
		Result    bool
	}

	gotPack struct {
		CompliancePack packDetail
		RequestId      string
	}

	packDetail struct {
		CompliancePackId   string
		CompliancePackName string
		ConfigRules        []packRule
		Status             string
	}

	packRule struct {
		ConfigRuleId   string
		ConfigRuleName string
		RiskLevel      int
	}

	gotRule struct {
		ConfigRule ruleDetail
		RequestId  string
	}

	ruleDetail struct {
		ConfigRuleEvaluationStatus evaluationStatus
		ConfigRuleId               string
		ConfigRuleState            string
	}

	evaluationStatus struct {
		LastFailedEvaluationTimestamp     int64 `json:",omitempty" xml:",omitempty"` // ms
		LastSuccessfulEvaluationTimestamp int64 `json:",omitempty" xml:",omitempty"` // ms
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
		AccountId                int64
		AggregatorId             string `json:",omitempty" xml:",omitempty"`
		CompliancePackId         string
		CompliancePackName       string
		CompliancePackTemplateId string `json:",omitempty" xml:",omitempty"`
		CreateTimestamp          int64
		RiskLevel                int
		Status                   string
		Tags                     []packTag
	}

	packTag struct{ TagKey, TagValue string }

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

	templateList struct {
		MaxResults         int
		NextToken          string `json:",omitempty" xml:",omitempty"`
		ReportTemplateList []templateItem
		RequestId          string
		TotalCount         int
	}

	templateItem struct {
		ReportFileFormats  string
		ReportGranularity  string
		ReportLanguage     string
		ReportTemplateId   string
		ReportTemplateName string
	}

	accountList struct {
		Accounts   accountPage
		NextToken  string `json:",omitempty" xml:",omitempty"`
		PageNumber int
		PageSize   int
		RequestId  string
		TotalCount int
	}

	accountPage struct{ Account []accountItem }

	accountItem struct {
		AccountId             string
		DeletionStatus        string
		DisplayName           string
		FolderId              string
		JoinMethod            string
		ResourceDirectoryId   string
		ResourceDirectoryPath string
		Status                string
		Tags                  *accountTags `json:",omitempty" xml:",omitempty"`
		Type                  string
	}

	accountTags struct{ Tag []accountTag }
	accountTag  struct{ Key, Value string }

	assumedRole struct {
		RequestId       string
		AssumedRoleUser assumedRoleUser
		Credentials     temporaryKeys
	}

	assumedRoleUser struct{ Arn, AssumedRoleId string }

	temporaryKeys struct{ AccessKeyId, AccessKeySecret, Expiration, SecurityToken string }

	errorResponse struct {
		RequestId string
		HostId    string
		Code      string
		Message   string
		Recommend string
	}
)

// respond writes v in the format that the call asks for; root is the name of the
// element in XML.
func respond(w http.ResponseWriter, c *call, status int, root string, v any) {
	var b bytes.Buffer
	var err error
	kind := "text/xml;charset=utf-8"
	if c.wantsJSON() {
		kind = "application/json;charset=utf-8"
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false) // do not escape the & of links
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
	w.Write(b.Bytes()) //nolint:errcheck // the client has gone
}
