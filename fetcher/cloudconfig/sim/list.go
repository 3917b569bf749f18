package sim

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxPage is the maximum page size.
const maxPage = 100

// listPacks lists the packs of the account or of an account group. A page beyond
// the end is empty.
func (s *Server) listPacks(q *request) (any, *refusal) {
	if q.aggregate() && q.group() == "" {
		return nil, missing("AggregatorId")
	}
	if q.aggregate() && !s.usable(q) {
		return nil, invalid("AggregatorId")
	}
	number, size, refused := q.page()
	if refused != nil {
		return nil, refused
	}
	all, refused := s.items(q)
	if refused != nil {
		return nil, refused
	}
	from := min(len(all), (number-1)*size)
	page := packPage{CompliancePacks: all[from:min(len(all), from+size)], PageNumber: number, PageSize: size, TotalCount: len(all)}
	return packList{CompliancePacksResult: page, RequestId: q.id}, nil
}

// items returns the packs that a call lists: those that have all its tags.
func (s *Server) items(q *request) ([]packItem, *refusal) {
	status := q.params.Get("Status")
	if !slices.Contains([]string{"", "ACTIVE", "CREATING", "INACTIVE"}, status) {
		return nil, invalid("Status")
	}
	var tags []struct{ Key, Value string }
	if text := q.params.Get("Tag"); text != "" && json.Unmarshal([]byte(text), &tags) != nil {
		return nil, invalid("Tag")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := []packItem{}
next:
	for _, p := range s.order {
		if !p.compliance() || p.Member != q.member() || p.Aggregator != q.group() || status != "" && p.Status != status {
			continue
		}
		for _, tag := range tags {
			if value, ok := p.Tags[tag.Key]; !ok || value != tag.Value {
				continue next
			}
		}
		list = append(list, p.item())
	}
	return list, nil
}

// item returns the pack as lists show it.
func (p *pack) item() packItem {
	item := packItem{
		AccountId: p.account(), AggregatorId: p.Aggregator, CompliancePackId: p.ID, CompliancePackName: p.Name, CompliancePackTemplateId: p.Template,
		CreateTimestamp: 1614687022000, RiskLevel: p.Risk, Status: p.Status, Tags: []packTag{},
	}
	for _, key := range slices.Sorted(maps.Keys(p.Tags)) {
		item.Tags = append(item.Tags, packTag{key, p.Tags[key]})
	}
	return item
}

// listGroups lists the account groups.
func (s *Server) listGroups(q *request) (any, *refusal) {
	if q.params.Get("MaxResults") == "" {
		return nil, missing("MaxResults")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	groups := s.groups
	if q.member() != "" {
		groups = nil
	}
	p, refused := q.span(len(groups), 0, maxPage)
	if refused != nil {
		return nil, refused
	}
	page := groupPage{Aggregators: []groupItem{}, MaxResults: p.size, NextToken: p.next}
	for _, g := range groups[p.from:p.to] {
		item := groupItem{AggregatorId: g.ID, AggregatorName: cmp.Or(g.Name, "账号组 "+g.ID), AggregatorStatus: 1, AggregatorType: cmp.Or(g.Type, "CUSTOM")}
		if g.Creating {
			item.AggregatorStatus = 0
		}
		page.Aggregators = append(page.Aggregators, item)
	}
	return groupList{AggregatorsResult: page, RequestId: q.id}, nil
}

// The page sizes of templates.
const (
	templates    = 20
	maxTemplates = 50
)

// listTemplates lists the report templates whose ID or name has the keyword.
func (s *Server) listTemplates(q *request) (any, *refusal) {
	keyword := q.params.Get("Keyword")
	all := []templateItem{}
	s.mu.RLock()
	for _, p := range s.order {
		if p.template() && (strings.Contains(p.ID, keyword) || strings.Contains(p.Name, keyword)) {
			all = append(all, templateItem{ReportFileFormats: "excel", ReportGranularity: "GroupByAccount", ReportLanguage: "en-US", ReportTemplateId: p.ID, ReportTemplateName: p.Name})
		}
	}
	s.mu.RUnlock()
	p, refused := q.span(len(all), templates, maxTemplates)
	if refused != nil {
		return nil, refused
	}
	return templateList{MaxResults: p.size, NextToken: p.next, ReportTemplateList: all[p.from:p.to], RequestId: q.id, TotalCount: len(all)}, nil
}

// span is a page of a list with tokens.
type span struct {
	from, to, size int
	next           string
}

// span returns the page that a call asks for of a list of n. The opaque NextToken
// holds the index in the list.
func (c *call) span(n, size, highest int) (span, *refusal) {
	size, ok := c.number("MaxResults", size, highest)
	if !ok {
		return span{}, invalid("MaxResults")
	}
	p := span{size: size}
	if token := c.params.Get("NextToken"); token != "" {
		index, _ := base64.URLEncoding.DecodeString(token) // Atoi fails if this does
		var err error
		if p.from, err = strconv.Atoi(string(index)); err != nil || p.from < 1 || p.from >= n {
			return span{}, invalid("NextToken")
		}
	}
	if p.to = min(n, p.from+size); p.to < n {
		p.next = base64.URLEncoding.EncodeToString([]byte(strconv.Itoa(p.to)))
	}
	return p, nil
}

// number parses a parameter from 1 to highest.
func (c *call) number(name string, def, highest int) (int, bool) {
	text := c.params.Get(name)
	if text == "" {
		return def, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 1 && n <= highest
}

// page returns the number and the size of the page that is asked for.
func (c *call) page() (number, size int, refused *refusal) {
	number, ok := c.number("PageNumber", 1, 1<<30)
	if !ok {
		return 0, 0, invalid("PageNumber")
	}
	if size, ok = c.number("PageSize", 10, maxPage); !ok {
		return 0, 0, invalid("PageSize")
	}
	return number, size, nil
}
