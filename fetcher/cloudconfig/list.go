package cloudconfig

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/ram"
)

var _ fetcher.Lister = (*Client)(nil)

// pageSize is the largest page of the API.
const pageSize = 100

// maxPages ends a listing that the API never would.
const maxPages = 1000

// Bounds of what is taken from a listing, in bytes.
const (
	maxName = 256 // of a pack's name
	maxWord = 128 // of every other text
)

// page is one page of a list of packs.
type page struct {
	Packs []packItem `json:"CompliancePacks" xml:"CompliancePacks"`
	Total text       `json:"TotalCount" xml:"TotalCount"`
}

type packItem struct {
	ID       text   `json:"CompliancePackId" xml:"CompliancePackId"`
	Account  text   `json:"AccountId" xml:"AccountId"`
	Name     text   `json:"CompliancePackName" xml:"CompliancePackName"`
	Status   text   `json:"Status" xml:"Status"`
	Template text   `json:"CompliancePackTemplateId" xml:"CompliancePackTemplateId"`
	Risk     text   `json:"RiskLevel" xml:"RiskLevel"`
	Created  millis `json:"CreateTimestamp" xml:"CreateTimestamp"`
	Tags     []tag  `json:"Tags" xml:"Tags"`
}

type tag struct {
	Key   text `json:"TagKey" xml:"TagKey"`
	Value text `json:"TagValue" xml:"TagValue"`
}

// Packs implements [fetcher.Lister]. Pages are numbered, so a pack that moves to
// another page meanwhile may be passed over; one that is seen twice is yielded once.
func (c *Client) Packs(ctx context.Context, aggregator string) iter.Seq2[fetcher.PackInfo, error] {
	return func(yield func(fetcher.PackInfo, error) bool) {
		seen := map[text]bool{}
		for number := 1; number <= maxPages; number++ {
			a, err := c.do(ctx, listCall(aggregator, number))
			if err != nil {
				yield(fetcher.PackInfo{}, fmt.Errorf("listing packs: %w", err))
				return
			}
			before := len(seen)
			p := a.page()
			for _, item := range p.Packs {
				if item.ID == "" || seen[item.ID] {
					continue
				}
				seen[item.ID] = true
				if !yield(item.info(aggregator), nil) {
					return
				}
			}
			// The total saves asking for a page that is empty. Without one, a page
			// without new packs is the last: a page may be shorter than was asked for.
			total, err := strconv.Atoi(string(p.Total))
			if len(seen) == before || err == nil && total > 0 && len(seen) >= total {
				return
			}
		}
	}
}

// page returns the page of packs in a response.
func (a response) page() page {
	if a.Packs == nil {
		return page{}
	}
	return *a.Packs
}

// info returns the item without what could do harm where it is shown or stored.
func (p packItem) info(aggregator string) fetcher.PackInfo {
	info := fetcher.PackInfo{
		ID: string(p.ID), Aggregator: aggregator, Account: p.Account.plain(maxWord), Name: p.Name.plain(maxName),
		Status: p.Status.plain(maxWord), Template: p.Template.plain(maxWord), Created: p.Created.Time,
	}
	info.Risk, _ = strconv.Atoi(string(p.Risk)) //nolint:errcheck // 0 is unknown
	for _, t := range p.Tags {
		if info.Tags == nil {
			info.Tags = make(map[string]string, len(p.Tags))
		}
		info.Tags[t.Key.plain(maxWord)] = t.Value.plain(maxName)
	}
	return info
}

// plain returns the text on one line, without control characters, and of at most n
// bytes.
func (t text) plain(n int) string { return sanitize(ram.Keys{}, string(t), n-len("…")) }

func listCall(aggregator string, number int) call {
	q := call{name: "ListCompliancePacks", method: http.MethodPost, params: url.Values{
		"PageNumber": {strconv.Itoa(number)}, "PageSize": {strconv.Itoa(pageSize)},
	}}
	if aggregator != "" {
		q.name = "ListAggregateCompliancePacks"
		q.params.Set("AggregatorId", aggregator)
	}
	return q
}

// groups is one page of a list of account groups.
type groups struct {
	Items []groupItem `json:"Aggregators" xml:"Aggregators"`
	Next  text        `json:"NextToken" xml:"NextToken"`
}

type groupItem struct {
	ID     text `json:"AggregatorId" xml:"AggregatorId"`
	Name   text `json:"AggregatorName" xml:"AggregatorName"`
	Status text `json:"AggregatorStatus" xml:"AggregatorStatus"`
}

// Aggregators implements [fetcher.Lister].
func (c *Client) Aggregators(ctx context.Context) iter.Seq2[fetcher.AggregatorInfo, error] {
	return func(yield func(fetcher.AggregatorInfo, error) bool) {
		next := text("")
		for range maxPages {
			a, err := c.do(ctx, groupsCall(string(next)))
			if err == nil && a.Groups != nil && a.Groups.Next != "" && a.Groups.Next == next {
				err = fault.New(fault.Damaged, "ListAggregators: the same NextToken twice")
			}
			if err != nil {
				yield(fetcher.AggregatorInfo{}, fmt.Errorf("listing account groups: %w", err))
				return
			}
			if a.Groups == nil {
				return
			}
			for _, g := range a.Groups.Items {
				if g.ID != "" && !yield(g.info(), nil) {
					return
				}
			}
			if next = a.Groups.Next; next == "" {
				return
			}
		}
	}
}

// info returns the item. Its status is documented as a number, 0 while the group is
// being created.
func (g groupItem) info() fetcher.AggregatorInfo {
	creating := g.Status == "0" || strings.EqualFold(string(g.Status), "CREATING")
	return fetcher.AggregatorInfo{ID: string(g.ID), Name: g.Name.plain(maxName), Creating: creating}
}

func groupsCall(next string) call {
	q := call{name: "ListAggregators", method: http.MethodPost, params: url.Values{"MaxResults": {strconv.Itoa(pageSize)}}}
	if next != "" {
		q.params.Set("NextToken", next)
	}
	return q
}

// Gone implements [fetcher.Lister].
func (c *Client) Gone(ctx context.Context, p evidence.PackRef) (bool, error) {
	_, _, err := c.get(ctx, p, "")
	if e, ok := errors.AsType[*APIError](err); ok {
		switch {
		case e.Code == "Invalid.CompliancePackId.Value", e.Code == "Invalid.AggregatorId.Value" && p.Aggregator != "":
			return true, nil
		}
	}
	return false, err
}
