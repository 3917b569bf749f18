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
		yield(fetcher.PackInfo{}, tooLong("listing packs"))
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
	return listed(ctx, c, "listing account groups", groupsCall, func(a response) (found []fetcher.AggregatorInfo, next text) {
		if a.Groups == nil {
			return nil, ""
		}
		for _, g := range a.Groups.Items {
			if g.ID != "" {
				found = append(found, g.info())
			}
		}
		return found, a.Groups.Next
	})
}

// listed yields what is listed with tokens: page returns what a response lists, and
// the token of the next one.
func listed[T any](ctx context.Context, c *Client, what string, ask func(next string) call, page func(response) ([]T, text)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		next := text("")
		for range maxPages {
			q := ask(string(next))
			a, err := c.do(ctx, q)
			found, after := page(a)
			if err == nil && after != "" && after == next {
				err = fault.New(fault.Damaged, "%s: the same NextToken twice", q.name)
			}
			if err != nil {
				yield(none, fmt.Errorf("%s: %w", what, err))
				return
			}
			for _, item := range found {
				if !yield(item, nil) {
					return
				}
			}
			if next = after; next == "" {
				return
			}
		}
		yield(none, tooLong(what))
	}
}

// tooLong is the error of a listing of more than maxPages.
func tooLong(what string) error {
	return fault.New(fault.Damaged, "%s: there are more than %d pages", what, maxPages)
}

// info returns the item. Its status is documented as a number, 0 while the group is
// being created.
func (g groupItem) info() fetcher.AggregatorInfo {
	creating := g.Status == "0" || strings.EqualFold(string(g.Status), "CREATING")
	return fetcher.AggregatorInfo{ID: string(g.ID), Name: g.Name.plain(maxName), Creating: creating}
}

func groupsCall(next string) call { return tokenCall("ListAggregators", pageSize, next) }

// tokenCall returns a call of a list with tokens.
func tokenCall(name string, size int, next string) call {
	q := call{name: name, method: http.MethodPost, params: url.Values{"MaxResults": {strconv.Itoa(size)}}}
	if next != "" {
		q.params.Set("NextToken", next)
	}
	return q
}

// template is a report template in a list.
type template struct {
	ID   text `json:"ReportTemplateId" xml:"ReportTemplateId"`
	Name text `json:"ReportTemplateName" xml:"ReportTemplateName"`
}

// templatePage is the largest page of templates.
const templatePage = 50

// Templates implements [fetcher.Lister].
func (c *Client) Templates(ctx context.Context) iter.Seq2[fetcher.PackInfo, error] {
	ask := func(next string) call { return tokenCall("ListReportTemplates", templatePage, next) }
	return listed(ctx, c, "listing report templates", ask, func(a response) (found []fetcher.PackInfo, next text) {
		for _, t := range a.Templates {
			if t.ID != "" {
				found = append(found, fetcher.PackInfo{ID: string(t.ID), Name: t.Name.plain(maxName)})
			}
		}
		return found, a.Next
	})
}

// Gone implements [fetcher.Lister].
func (c *Client) Gone(ctx context.Context, p evidence.PackRef) (bool, error) {
	_, _, err := c.get(ctx, p, "")
	if e, ok := errors.AsType[*APIError](err); ok {
		switch e.Code {
		case "Invalid.CompliancePackId.Value", "Invalid.ReportTemplateId.Value":
			return true, nil
		case "Invalid.AggregatorId.Value":
			if p.Aggregator != "" {
				return true, nil
			}
		}
	}
	return false, err
}
