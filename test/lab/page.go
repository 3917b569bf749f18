package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Page is what a daemon shows over HTTP.
type Page struct {
	ctx context.Context
	url func() string // "" while it is not known
}

// At is the page at a URL.
func At(t testing.TB, url string) Page {
	return Page{ctx: t.Context(), url: func() string { return url }}
}

// URL is the page's, or "" while it is not known.
func (p Page) URL() string { return p.url() }

// client leaves no connection behind, neither here nor in the process that is
// looked at.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// answerWithin is how long an answer may take.
const answerWithin = time.Minute

// Get returns what the page answers; an answer that is not 200 is an error.
func (p Page) Get(path string) (body string, err error) {
	base := p.url()
	if base == "" {
		return "", fmt.Errorf("it has no page yet")
	}
	ctx, cancel := context.WithTimeout(p.ctx, answerWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return "", err
	}
	answer, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	raw, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, answer.Status, raw)
	}
	return string(raw), err
}

// Unready returns why the daemon is not ready, or "".
func (p Page) Unready() string {
	if _, err := p.Get("/-/ready"); err != nil {
		return err.Error()
	}
	return ""
}

// Series are what /metrics shows, by name and labels as they are written there.
func (p Page) Series() (map[string]float64, error) {
	text, err := p.Get("/metrics")
	series := make(map[string]float64)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if name += "}"; value == "" {
			name, value, _ = strings.Cut(strings.TrimSpace(line), " ")
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil && !strings.HasPrefix(line, "#") {
			series[name] = n
		}
	}
	return series, err
}

// Metric returns the sum of a metric's series whose labels contain a text, and
// false when there is none, or no answer.
func (p Page) Metric(name, labels string) (sum float64, ok bool) {
	series, err := p.Series()
	for s, v := range series {
		if family, has, _ := strings.Cut(s, "{"); family == name && strings.Contains(has, labels) {
			sum, ok = sum+v, true
		}
	}
	return sum, ok && err == nil
}

// PackState is a pack as /api/v1/packs shows it.
type PackState struct {
	Source, Pack, State, Trouble string
	Sealed                       int       `json:"sealed_slots"`
	Gaps                         int       `json:"gap_slots"`
	LastDue                      time.Time `json:"last_due"`
	NextDue                      time.Time `json:"next_due"`
	LastSealed                   time.Time `json:"last_sealed"`
	LastGap                      time.Time `json:"last_gap"`
	LastReason                   string    `json:"last_gap_reason"`
	LastObject                   string    `json:"last_object"`
	LastSHA256                   string    `json:"last_sha256"`
	LastSize                     int64     `json:"last_size"`
}

// Packs are those that /api/v1/packs shows.
func (p Page) Packs() ([]PackState, error) {
	var list struct{ Packs []PackState }
	text, err := p.Get("/api/v1/packs")
	if err == nil {
		err = json.Unmarshal([]byte(text), &list)
	}
	return list.Packs, err
}

// Slots are the last thousand of a pack of Source that /api/v1/slots shows. Of
// a manifest only the digest is set.
func (p Page) Slots(pack string) (map[Slot]End, error) {
	var list struct {
		Slots []struct {
			Due                   time.Time
			State, Reason, SHA256 string
		}
	}
	text, err := p.Get("/api/v1/slots?limit=1000&source=" + Source + "&pack=" + url.QueryEscape(pack))
	if err == nil {
		err = json.Unmarshal([]byte(text), &list)
	}
	ends := make(map[Slot]End)
	for _, s := range list.Slots {
		e := End{Gap: s.Reason}
		if s.State == "sealed" {
			e.Sealed = &Manifest{SHA256: s.SHA256}
		}
		ends[SlotAt(pack, s.Due)] = e
	}
	return ends, err
}
