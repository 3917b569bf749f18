//go:build chaos

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// address is where the page is, as the first line of the log has it.
var address = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// client leaves no connection behind, neither here nor in the process that is
// looked at.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// get returns what the process's page answers.
func (p *process) get(path string) (string, error) {
	url := address.FindString(p.log.String())
	if url == "" {
		return "", fmt.Errorf("it has no page yet")
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+path, nil)
	if err != nil {
		return "", err
	}
	answer, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %d: %s", path, answer.StatusCode, body)
	}
	return string(body), err
}

// scrape returns /metrics, by series as they are written there.
func (p *process) scrape() (map[string]float64, error) {
	text, err := p.get("/metrics")
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

// metric returns the sum of a metric's series whose labels hold what is given,
// and false when it can't be had.
func (p *process) metric(name, labels string) (sum float64, ok bool) {
	series, err := p.scrape()
	for s, v := range series {
		if family, has, _ := strings.Cut(s, "{"); family == name && strings.Contains(has, labels) {
			sum, ok = sum+v, true
		}
	}
	return sum, ok && err == nil
}

// shown is a pack as /api/v1/packs shows it.
type shown struct {
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

// packs returns what /api/v1/packs shows.
func (p *process) packs() ([]shown, error) {
	var list struct{ Packs []shown }
	text, err := p.get("/api/v1/packs")
	if err == nil {
		err = json.Unmarshal([]byte(text), &list)
	}
	return list.Packs, err
}

// slots returns what /api/v1/slots shows of a pack, with each slot's end, and
// what of a manifest it shows.
func (p *process) slots(pack string) (map[slot]end, error) {
	var list struct {
		Slots []struct {
			Due                   time.Time
			State, Reason, SHA256 string
		}
	}
	text, err := p.get("/api/v1/slots?limit=1000&source=prod&pack=" + pack)
	if err == nil {
		err = json.Unmarshal([]byte(text), &list)
	}
	ends := make(map[slot]end)
	for _, s := range list.Slots {
		e := end{gap: s.Reason}
		if s.State == "sealed" {
			e.sealed = &manifest{SHA256: s.SHA256}
		}
		ends[slot{pack, s.Due.Format(dueForm)}] = e
	}
	return ends, err
}
