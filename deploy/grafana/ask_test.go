package main

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// asker asks Prometheus as Grafana does.
type asker struct {
	url      string
	from, to time.Time
	chosen   map[string][]string // of each variable; none = all
	boards   map[string]dashboard.VariableModel
}

// series is a label set with its points.
type series struct {
	Metric map[string]string `json:"metric"`
	Value  point             `json:"value"`
	Values []point           `json:"values"`
}

// point is a time in seconds and a value.
type point struct{ at, value float64 }

// UnmarshalJSON reads Prometheus' [seconds, "value"].
func (p *point) UnmarshalJSON(raw []byte) error {
	var pair [2]any
	if err := json.Unmarshal(raw, &pair); err != nil {
		return err
	}
	at, _ := pair[0].(float64)
	text, _ := pair[1].(string)
	value, err := strconv.ParseFloat(text, 64)
	*p = point{at, value}
	return err
}

// points are a series' points, whichever way it was asked for.
func (s series) points() []point {
	if s.Values != nil {
		return s.Values
	}
	return []point{s.Value}
}

// get asks for something, and decodes its data.
func (a *asker) get(path string, q url.Values, data any) error {
	resp, err := http.Get(a.url + path + "?" + q.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return fmt.Errorf("status %d: %w", resp.StatusCode, err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s", answer.Error)
	}
	return nil
}

// now evaluates an expression that has no variables.
func (a *asker) now(expression string) ([]series, error) { return a.instant(expression, time.Now()) }

func (a *asker) instant(expression string, at time.Time) ([]series, error) {
	var data struct{ Result []series }
	err := a.get("/api/v1/query", url.Values{"query": {expression}, "time": {seconds(at)}}, &data)
	return data.Result, err
}

func seconds(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

// holds reports whether an expression has any result now.
func (a *asker) holds(expression string) bool {
	found, err := a.now(expression)
	return err == nil && len(found) > 0
}

// scrape is how often Prometheus scrapes.
const scrape = time.Second

// step is how far apart Grafana asks for a query's points.
func (a *asker) step(p *dashboard.Panel, q *prometheus.Dataquery) time.Duration {
	most := 300.0
	if p.MaxDataPoints != nil {
		most = *p.MaxDataPoints
	}
	least := scrape
	if q.Interval != nil {
		d, err := time.ParseDuration(a.text(*q.Interval))
		if err != nil {
			panic(err)
		}
		least = d
	}
	return max(least, time.Duration(a.to.Sub(a.from).Seconds()/most)*time.Second)
}

// answer evaluates one query of a panel as Grafana does.
func (a *asker) answer(p *dashboard.Panel, q *prometheus.Dataquery) ([]series, error) {
	step := a.step(p, q)
	expression := a.interpolate(q.Expr, step)
	if *q.Instant {
		return a.instant(expression, a.to)
	}
	var data struct{ Result []series }
	err := a.get("/api/v1/query_range", url.Values{
		"query": {expression}, "start": {seconds(a.from.Truncate(step))}, "end": {seconds(a.to.Truncate(step))}, "step": {seconds(time.UnixMilli(step.Milliseconds()))},
	}, &data)
	return data.Result, err
}

// interpolate puts variables in as Grafana does for Prometheus.
func (a *asker) interpolate(expression string, step time.Duration) string {
	length := a.to.Sub(a.from).Round(time.Second).Seconds()
	return a.text(strings.NewReplacer(
		"$__rate_interval", fmt.Sprintf("%.0fs", max(step+scrape, 4*scrape).Seconds()),
		"$__range_s", fmt.Sprintf("%.0f", length), "$__range", fmt.Sprintf("%.0fs", length),
		"$__interval", fmt.Sprintf("%.0fs", step.Seconds()),
	).Replace(expression))
}

// reference is where a variable is used.
var reference = regexp.MustCompile(`\$(\w+)`)

// text puts in the variables of the dashboards.
func (a *asker) text(s string) string {
	return reference.ReplaceAllStringFunc(s, func(ref string) string {
		v, ok := a.boards[ref[1:]]
		if !ok {
			panic("no such variable: " + ref)
		}
		values := a.chosen[v.Name]
		switch {
		case len(values) == 0 && v.AllValue != nil:
			return *v.AllValue // as it is
		case len(values) == 0:
			values = a.values(v)
		}
		if v.Multi == nil && v.IncludeAll == nil {
			return values[0]
		}
		escaped := make([]string, len(values))
		for i, value := range values {
			escaped[i] = special.ReplaceAllString(strings.ReplaceAll(value, `\`, `\\\\`), `\\$0`)
		}
		if len(escaped) == 1 {
			return escaped[0]
		}
		return "(" + strings.Join(escaped, "|") + ")"
	})
}

// special is what Grafana escapes in a value, for a pattern within a string.
var special = regexp.MustCompile(`[$^*{}\[\]'+?.()|]`)

// labelValues is the query of a variable.
var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// values are those that a variable offers.
func (a *asker) values(v dashboard.VariableModel) (values []string) {
	m := labelValues.FindStringSubmatch(*v.Definition)
	if err := a.get("/api/v1/label/"+m[2]+"/values", url.Values{"match[]": {a.text(m[1])}}, &values); err != nil {
		panic(err)
	}
	return values
}

// number returns the one value of a panel's first query.
func (a *asker) number(t *testing.T, panels []*dashboard.Panel, title string) float64 {
	t.Helper()
	i := slices.IndexFunc(panels, func(p *dashboard.Panel) bool { return *p.Title == title })
	if i < 0 {
		t.Fatalf("no panel %q", title)
	}
	found, err := a.answer(panels[i], queriesOf(panels[i])[0])
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v", title, found, err)
	}
	return found[0].Value.value
}

// numbered reports whether one of the points is a number.
func numbered(found []series) bool {
	return slices.ContainsFunc(found, func(s series) bool {
		return slices.ContainsFunc(s.points(), func(p point) bool { return !math.IsNaN(p.value) })
	})
}
