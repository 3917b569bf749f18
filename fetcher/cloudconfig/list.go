package cloudconfig

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"packseal.example/internal/ram"
)

// pageSize is the largest page of the API.
const pageSize = 100

// maxPages ends a listing that the API never would.
const maxPages = 1000

// PackInfo is a compliance pack in a listing.
type PackInfo struct {
	ID         string    // "cp-…"
	Aggregator string    // the account group that was listed, or empty
	Account    string    // the ID of the account it belongs to
	Name       string    // the display name
	Status     string    // ACTIVE, CREATING or a status that was added later
	Created    time.Time // zero if unknown
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

// Packs yields the compliance packs of the account or, if aggregator is not empty,
// of that account group. It stops at the first error. A pack that moves to another
// page meanwhile is yielded once.
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
			// Rely neither on the total nor on the page size: a page without
			// new packs is the last.
			if len(seen) == before {
				return
			}
		}
	}
}

// maxName bounds a pack's name, in bytes.
const maxName = 256

// Names implements [fetcher.Namer].
func (c *Client) Names(ctx context.Context, aggregator string) (map[string]string, error) {
	names := make(map[string]string)
	for p, err := range c.Packs(ctx, aggregator) {
		if err != nil {
			return nil, err
		}
		if name := sanitize(ram.Keys{}, p.Name, maxName-len("…")); name != "" {
			names[p.ID] = name
		}
	}
	return names, nil
}

// items yields the packs of a page.
func (a response) items() iter.Seq[packItem] {
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
