package cloudconfig

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// pageSize is the most that the API gives.
const pageSize = 100

// maxPages bounds a listing that the API would never end.
const maxPages = 1000

// PackInfo is a compliance pack as the API lists it.
type PackInfo struct {
	ID         string    // "cp-…"
	Aggregator string    // the account group it was listed for, or empty
	Account    string    // the account it belongs to
	Name       string    // as people named it
	Status     string    // ACTIVE, CREATING or a word that came later
	Created    time.Time // zero when the API does not say
}

// page is one page of a list.
type page struct {
	Packs []packItem `json:"CompliancePacks" xml:"CompliancePacks"`
}

type packItem struct {
	ID      text   `json:"CompliancePackId" xml:"CompliancePackId"`
	Account text   `json:"AccountId" xml:"AccountId"`
	Name    text   `json:"CompliancePackName" xml:"CompliancePackName"`
	Status  text   `json:"Status" xml:"Status"`
	Created millis `json:"CreateTimestamp" xml:"CreateTimestamp"`
}

// Packs yields the compliance packs of the account, or those of an account
// group where one is given, and stops at the first error. A pack that moves to
// another page meanwhile is yielded once.
func (c *Client) Packs(ctx context.Context, aggregator string) iter.Seq2[PackInfo, error] {
	return func(yield func(PackInfo, error) bool) {
		seen := map[text]bool{}
		for number := 1; number <= maxPages; number++ {
			a, err := c.do(ctx, listCall(aggregator, number))
			if err != nil {
				yield(PackInfo{}, fmt.Errorf("listing packs: %w", err))
				return
			}
			before := len(seen)
			for p := range a.items() {
				if p.ID == "" || seen[p.ID] {
					continue
				}
				seen[p.ID] = true
				if !yield(p.info(aggregator), nil) {
					return
				}
			}
			// The total and the size of a page are not relied on: a page that
			// brings nothing new is the end.
			if len(seen) == before {
				return
			}
		}
	}
}

// items yields a page's packs.
func (a answer) items() iter.Seq[packItem] {
	return func(yield func(packItem) bool) {
		if a.Packs == nil {
			return
		}
		for _, p := range a.Packs.Packs {
			if !yield(p) {
				return
			}
		}
	}
}

func (p packItem) info(aggregator string) PackInfo {
	return PackInfo{
		ID: string(p.ID), Aggregator: aggregator, Account: string(p.Account),
		Name: string(p.Name), Status: string(p.Status), Created: p.Created.Time,
	}
}

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
