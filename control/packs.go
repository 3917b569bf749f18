package control

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// Listing says which source's packs are listed.
type Listing struct {
	Source string `json:"source,omitempty"` // empty = each source's
}

// SourcePacks are the packs that a source has.
type SourcePacks struct {
	Source      string        `json:"source"`
	Account     string        `json:"account,omitempty"` // the ID of the member account that the source stands for
	AccountName string        `json:"account_name,omitempty"`
	Disabled    bool          `json:"disabled,omitempty"` // nothing is asked of it, and nothing of it is kept
	Discovers   bool          `json:"discovers"`          // packs are kept that the configuration does not name
	Tried       time.Time     `json:"tried,omitzero"`     // the last listing
	Listed      time.Time     `json:"listed,omitzero"`    // the last one that was complete; zero = none was
	Troubles    []ListTrouble `json:"troubles,omitempty"`
	Packs       []FoundPack   `json:"packs"`
}

// ListTrouble is what could not be listed, and why.
type ListTrouble struct {
	Problem
	Aggregator string `json:"aggregator,omitempty"` // whose packs; empty = the account's
	Passing    bool   `json:"passing,omitempty"`    // it ends by itself
}

// FoundPack is a pack that a source has, and what is done with it.
type FoundPack struct {
	Source     string            `json:"source"`
	ID         string            `json:"id"`
	Aggregator string            `json:"aggregator,omitempty"`
	Name       string            `json:"name,omitempty"`
	Account    string            `json:"account,omitempty"`
	Status     string            `json:"status,omitempty"` // as the source writes it
	Risk       string            `json:"risk,omitempty"`   // high, medium or low
	Template   string            `json:"template,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	State      string            `json:"state"`            // kept, not_kept, excluded, creating, disabled or ended
	Rule       int               `json:"rule,omitempty"`   // the rule that decided, from 1; 0 = none did
	Found      time.Time         `json:"found,omitzero"`   // when it was found; zero = it was there from the start
	Missed     int               `json:"missed,omitempty"` // listings in a row that lacked it
	Unseen     bool              `json:"unseen,omitempty"` // the configuration names it, and the listings of its source have not shown it

	Until    time.Time         `json:"until,omitzero"`     // nothing falls due after that
	Schedule string            `json:"schedule,omitempty"` // of one that is kept, as the next three
	TimeZone string            `json:"time_zone,omitempty"`
	Sinks    []string          `json:"sinks,omitempty"` // that keep its reports; none = all
	Labels   map[string]string `json:"labels,omitempty"`
}

// Key is the pack's key.
func (p FoundPack) Key() string {
	if p.Aggregator != "" {
		return p.Aggregator + "/" + p.ID
	}
	return p.ID
}

// Packs asks for the packs that a source has, or each source, as [Operator] does.
func (c *Client) Packs(ctx context.Context, source string, refresh bool) (all []SourcePacks, err error) {
	if refresh {
		err = c.post(ctx, "packs", Listing{source}, &all)
		return all, err
	}
	body, err := c.do(ctx, http.MethodGet, "packs?"+url.Values{"source": {source}}.Encode(), nil)
	if err != nil {
		return nil, err
	}
	err = decode(body, &all)
	return all, err
}

// servePacks says which packs sources have.
func (s *Server) servePacks(w http.ResponseWriter, r *http.Request) {
	all, err := s.daemon.Packs(r.Context(), r.URL.Query().Get("source"), false)
	if err != nil {
		s.refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(all) //nolint:errcheck // the client is gone
}

// serveListing lists them anew.
func (s *Server) serveListing() http.HandlerFunc {
	return post(s, "request", func(ctx context.Context, l Listing) ([]SourcePacks, error) {
		return s.daemon.Packs(ctx, l.Source, true)
	})
}
