package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

const (
	schema  = 39 // Grafana 10.4's; later ones bring it up to date when they load it
	columns = 24 // of Grafana's grid
	manual  = "https://packseal.example/docs/"
)

// classic is the model of dashboards that every Grafana imports.
//
//lint:ignore SA1019 Grafana 10 and 11 can't import the newer one that the SDK prefers
type classic = dashboard.Dashboard

// board is one dashboard, from top to bottom.
type board struct {
	name, title, description string
	from, refresh            string // the time range and pace that it opens with
	variables                []dashboard.VariableModel
	rows                     []row
}

// row is a row of panels of one height, below a heading if it has a title.
type row struct {
	title  string
	height uint32
	panels []panel
}

// panel is one panel. Every query of it has the same unit.
type panel struct {
	title, description string
	unit               string // of Grafana's list
	runbook            string // the section of the runbook, if it has one
	width              uint32
	kind               kind
	queries            []query
	steps              []step                 // thresholds, rising; none = no judgement
	words              map[string]word        // what values mean; "nan" is for what is not a number
	empty              string                 // what is shown when there is nothing
	limits             [2]*float64            // of the axis or the bar
	custom             func(*dashboard.Panel) // what only this panel has
}

// query is one expression; legend names its series.
type query struct{ expr, legend string }

// step is a threshold: the color from that value on.
type step struct {
	from  float64
	color string
}

// word is what is shown in place of a value.
type word struct{ text, color string }

// datasource is whatever the variable of that name says.
func datasource() *common.DataSourceRef {
	return &common.DataSourceRef{Type: new("prometheus"), Uid: new("${datasource}")}
}

// file is the name of the file.
func (b board) file() string { return b.name + ".json" }

// uid is what links to the dashboard know it by: it stays.
func (b board) uid() string { return "packseal-" + b.name }

// json is the file: its keys in order, and its expressions legible.
func (b board) json() ([]byte, error) {
	raw, err := json.Marshal(b.dashboard())
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", b.file(), err)
	}
	var plain any
	if err := json.Unmarshal(raw, &plain); err != nil {
		return nil, err
	}
	var file bytes.Buffer
	e := json.NewEncoder(&file)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err = e.Encode(plain)
	return file.Bytes(), err
}

// dashboard is the board in Grafana's terms, its rows laid out.
func (b board) dashboard() *classic {
	d := dashboard.NewDashboard()
	d.Uid, d.Title, d.Description, d.Tags = new(b.uid()), &b.title, &b.description, []string{"packseal"}
	d.SchemaVersion, d.Refresh = schema, &b.refresh
	d.Time = &dashboard.DashboardDashboardTime{From: b.from, To: "now"}
	d.GraphTooltip = new(dashboard.DashboardCursorSyncCrosshair)
	d.Templating.List = b.variables
	d.Annotations.List = []dashboard.AnnotationQuery{restarts()}
	d.Links = []dashboard.DashboardLink{
		{Type: "dashboards", Title: "packseal", Tags: d.Tags, IncludeVars: true, KeepTime: true},
		link("Runbook", manual+"runbook"),
	}
	var y, id uint32 = 0, 1
	for _, r := range b.rows {
		if r.title != "" {
			at := &dashboard.GridPos{H: 1, W: columns, Y: y}
			d.Panels = append(d.Panels, dashboard.PanelOrRowPanel{RowPanel: &dashboard.RowPanel{
				Type: "row", Title: &r.title, Id: id, GridPos: at, Panels: []dashboard.Panel{},
			}})
			y, id = y+1, id+1
		}
		var x uint32
		for _, p := range r.panels {
			made := p.panel(id)
			made.GridPos = &dashboard.GridPos{X: x, Y: y, W: p.width, H: r.height}
			d.Panels = append(d.Panels, dashboard.PanelOrRowPanel{Panel: made})
			x, id = x+p.width, id+1
		}
		y += r.height
	}
	return d
}

// restarts marks in every graph when a process started.
func restarts() dashboard.AnnotationQuery {
	return dashboard.AnnotationQuery{
		Name: "Restarts", Enable: true, IconColor: "blue", Datasource: datasource(), TitleFormat: new("{{job}} {{instance}} started"),
		Expr: new(`1000 * process_start_time_seconds{` + ofJob + `}`), UseValueForTime: new(true),
	}
}

// link is a link to somewhere else.
func link(title, url string) dashboard.DashboardLink {
	return dashboard.DashboardLink{Type: "link", Title: title, Url: &url, Icon: "doc", TargetBlank: true, Tags: []string{}}
}

// panel is the panel in Grafana's terms, but for its place.
func (p panel) panel(id uint32) *dashboard.Panel {
	made := &dashboard.Panel{
		Id: &id, Title: &p.title, Description: &p.description, Datasource: datasource(),
		FieldConfig: &dashboard.FieldConfigSource{Defaults: p.field(), Overrides: []dashboard.DashboardFieldConfigSourceOverrides{}},
	}
	if p.runbook != "" {
		made.Links = []dashboard.DashboardLink{link("Runbook", manual+"runbook#"+p.runbook)}
	}
	for i, q := range p.queries {
		made.Targets = append(made.Targets, &prometheus.Dataquery{
			RefId: new(string(rune('A' + i))), Expr: q.expr, LegendFormat: &q.legend, Datasource: datasource(),
			EditorMode: new(prometheus.QueryEditorModeCode), Range: new(true), Instant: new(false),
		})
	}
	p.kind(made)
	if p.custom != nil {
		p.custom(made)
	}
	return made
}

// field says how values are shown.
func (p panel) field() dashboard.FieldConfig {
	f := dashboard.FieldConfig{
		Unit: &p.unit, Min: p.limits[0], Max: p.limits[1], Mappings: mappings(p.words),
		Color:      &dashboard.FieldColor{Mode: dashboard.FieldColorModeIdThresholds},
		Thresholds: &dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute, Steps: thresholds(p.steps)},
	}
	if p.empty != "" {
		f.NoValue = &p.empty
	}
	return f
}

// thresholds are the steps, the first of which counts from minus infinity.
func thresholds(steps []step) []dashboard.Threshold {
	if len(steps) == 0 {
		return []dashboard.Threshold{{Color: "text"}}
	}
	made := []dashboard.Threshold{{Color: steps[0].color}}
	for _, s := range steps[1:] {
		made = append(made, dashboard.Threshold{Value: &s.from, Color: s.color})
	}
	return made
}

// mappings are the words in Grafana's terms.
func mappings(words map[string]word) []dashboard.ValueMapping {
	values := &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: make(map[string]dashboard.ValueMappingResult)}
	for value, w := range words {
		values.Options[value] = dashboard.ValueMappingResult{Text: &w.text, Color: &w.color}
	}
	unknown, ok := values.Options["nan"]
	delete(values.Options, "nan")
	var made []dashboard.ValueMapping
	if len(values.Options) > 0 {
		made = append(made, dashboard.ValueMapping{ValueMap: values})
	}
	if ok {
		made = append(made, dashboard.ValueMapping{SpecialValueMap: &dashboard.SpecialValueMap{
			Type:    dashboard.MappingTypeSpecialValue,
			Options: dashboard.DashboardSpecialValueMapOptions{Match: dashboard.SpecialValueMatchNullAndNan, Result: unknown},
		}})
	}
	return made
}
