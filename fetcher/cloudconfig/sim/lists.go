package sim

import (
	"encoding/base64"
	"strconv"
)

// maxPage is the longest page there is.
const maxPage = 100

// listPacks lists an account's packs, or those of an account group. A page past
// the end is empty and no error.
func (s *Server) listPacks(q *request) (any, *refusal) {
	if q.aggregate() && q.group() == "" {
		return nil, missing("AggregatorId")
	}
	if q.aggregate() && !s.hasGroup(q.group()) {
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

// items returns all packs that a list call asks for. All packs are active.
func (s *Server) items(q *request) ([]packItem, *refusal) {
	list := []packItem{}
	switch q.params.Get("Status") {
	case "CREATING":
		return list, nil
	case "", "ACTIVE":
	default:
		return nil, invalid("Status")
	}
	for _, p := range s.order {
		if p.Aggregator == q.group() {
			list = append(list, packItem{
				AccountId: p.account(), AggregatorId: p.Aggregator, CompliancePackId: p.ID, CompliancePackName: p.Name,
				CreateTimestamp: 1614687022000, RiskLevel: 1, Status: "ACTIVE",
			})
		}
	}
	return list, nil
}

// listGroups lists the account groups. A NextToken is opaque to callers; it
// holds the place in the list.
func (s *Server) listGroups(q *request) (any, *refusal) {
	if q.params.Get("MaxResults") == "" {
		return nil, missing("MaxResults")
	}
	size, ok := q.number("MaxResults", 0, maxPage)
	if !ok {
		return nil, invalid("MaxResults")
	}
	from := 0
	if token := q.params.Get("NextToken"); token != "" {
		place, _ := base64.URLEncoding.DecodeString(token) // what can't be decoded is no number either
		var err error
		if from, err = strconv.Atoi(string(place)); err != nil || from < 1 || from >= len(s.groups) {
			return nil, invalid("NextToken")
		}
	}
	to := min(len(s.groups), from+size)
	page := groupPage{Aggregators: []groupItem{}, MaxResults: size}
	for _, id := range s.groups[from:to] {
		page.Aggregators = append(page.Aggregators, groupItem{
			AggregatorId: id, AggregatorName: "账号组 " + id, AggregatorStatus: 1, AggregatorType: "CUSTOM",
		})
	}
	if to < len(s.groups) {
		page.NextToken = base64.URLEncoding.EncodeToString([]byte(strconv.Itoa(to)))
	}
	return groupList{AggregatorsResult: page, RequestId: q.id}, nil
}

// number reads a parameter from 1 to highest.
func (c *call) number(name string, otherwise, highest int) (int, bool) {
	text := c.params.Get(name)
	if text == "" {
		return otherwise, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 1 && n <= highest
}
