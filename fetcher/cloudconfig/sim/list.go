package sim

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
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
	number, ok := q.number("PageNumber", 1, 1<<30)
	if !ok {
		return nil, invalid("PageNumber")
	}
	size, ok := q.number("PageSize", 10, maxPage)
	if !ok {
		return nil, invalid("PageSize")
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

// listGroups lists the account groups. The opaque NextToken holds the index in the
// list.
func (s *Server) listGroups(q *request) (any, *refusal) {
	if q.params.Get("MaxResults") == "" {
		return nil, missing("MaxResults")
	}
	size, ok := q.number("MaxResults", 0, maxPage)
	if !ok {
		return nil, invalid("MaxResults")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	from := 0
	if token := q.params.Get("NextToken"); token != "" {
		index, _ := base64.URLEncoding.DecodeString(token) // Atoi fails if this does
		var err error
		if from, err = strconv.Atoi(string(index)); err != nil || from < 1 || from >= len(s.groups) {
			return nil, invalid("NextToken")
		}
	}
	groups := s.groups
	if q.member() != "" {
		groups = nil
	}
	to := min(len(groups), from+size)
	page := groupPage{Aggregators: []groupItem{}, MaxResults: size}
	for _, g := range groups[min(from, to):to] {
		item := groupItem{AggregatorId: g.ID, AggregatorName: cmp.Or(g.Name, "账号组 "+g.ID), AggregatorStatus: 1, AggregatorType: cmp.Or(g.Type, "CUSTOM")}
		if g.Creating {
			item.AggregatorStatus = 0
		}
		page.Aggregators = append(page.Aggregators, item)
	}
	if to < len(groups) {
		page.NextToken = base64.URLEncoding.EncodeToString([]byte(strconv.Itoa(to)))
	}
	return groupList{AggregatorsResult: page, RequestId: q.id}, nil
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
