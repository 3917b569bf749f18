package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/statushistory"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// kind makes a panel one of a kind.
type kind func(*dashboard.Panel)

// each calls f with each of the panel's queries.
func each(p *dashboard.Panel, f func(*prometheus.Dataquery)) {
	for _, t := range p.Targets {
		f(t.(*prometheus.Dataquery))
	}
}

// instant has a query answered for the end of the time range alone.
func instant(q *prometheus.Dataquery) { q.Instant, q.Range = new(true), new(false) }

// whole leaves the decimals of what is counted out: increase() guesses at
// parts of it.
func whole(p *dashboard.Panel) {
	if f := &p.FieldConfig.Defaults; *f.Unit == "short" {
		f.Decimals = new(0.0)
	}
}

// figure is one number, in its color.
func figure(mode common.BigValueColorMode) kind {
	return func(p *dashboard.Panel) {
		each(p, instant)
		whole(p)
		o := stat.NewOptions()
		o.GraphMode, o.ColorMode, o.Orientation = common.BigValueGraphModeNone, mode, common.VizOrientationAuto
		o.ReduceOptions.Calcs = []string{"lastNotNull"}
		p.Type, p.Options = "stat", o
	}
}

// number is a figure that stands back; verdict is one that is to be seen from
// the other end of the room.
var (
	number  = figure(common.BigValueColorModeValue)
	verdict = figure(common.BigValueColorModeBackground)
)

// names is a figure that tells the names of its series.
func names(p *dashboard.Panel) {
	number(p)
	p.Options.(*stat.Options).TextMode = common.BigValueTextModeName
}

// bars are one horizontal bar a series, for the end of the time range.
func bars(p *dashboard.Panel) {
	each(p, instant)
	whole(p)
	o := bargauge.NewOptions()
	o.DisplayMode, o.Orientation = common.BarGaugeDisplayModeBasic, common.VizOrientationHorizontal
	o.ReduceOptions.Calcs = []string{"lastNotNull"}
	o.Legend.ShowLegend = false
	p.Type, p.Options = "bargauge", o
}

// lines are one line a series. Where points are rare, as with packs that fall
// due once a day, they are joined.
func lines(p *dashboard.Panel) {
	o := timeseries.NewOptions()
	o.Legend = legend()
	o.Tooltip = common.VizTooltipOptions{Mode: common.TooltipDisplayModeMulti, Sort: common.SortOrderDescending}
	f := timeseries.NewFieldConfig()
	f.LineWidth, f.FillOpacity, f.ShowPoints = new(1.0), new(8.0), new(common.VisibilityModeAuto)
	f.SpanNulls = &common.BoolOrFloat64{Bool: new(true)}
	p.FieldConfig.Defaults.Color.Mode = dashboard.FieldColorModeIdPaletteClassicByName
	if len(p.FieldConfig.Defaults.Thresholds.Steps) > 1 {
		f.ThresholdsStyle = &common.GraphThresholdsStyleConfig{Mode: common.GraphThresholdsStyleModeDashed}
	}
	p.FieldConfig.Defaults.Custom = f
	p.Type, p.Options = "timeseries", o
}

// stacked are bars that add up, for what comes now and then.
func stacked(p *dashboard.Panel) {
	lines(p)
	f := p.FieldConfig.Defaults.Custom.(*timeseries.FieldConfig)
	f.DrawStyle, f.FillOpacity, f.SpanNulls = new(common.GraphDrawStyleBars), new(70.0), nil
	f.Stacking = &common.StackingConfig{Mode: new(common.StackingModeNormal), Group: new("A")}
}

func legend() common.VizLegendOptions {
	l := common.NewVizLegendOptions()
	l.ShowLegend = true
	return *l
}

// heat is how a histogram's observations spread over its buckets.
func heat(p *dashboard.Panel) {
	each(p, func(q *prometheus.Dataquery) { q.Format = new(prometheus.PromQueryFormatHeatmap) })
	o := heatmap.NewOptions()
	o.Tooltip.Mode = common.TooltipDisplayModeSingle
	o.YAxis.Unit = p.FieldConfig.Defaults.Unit
	o.Color.Mode = new(heatmap.HeatmapColorModeScheme)
	o.Legend.Show = false
	p.Type, p.Options = "heatmap", o
	p.FieldConfig.Defaults.Custom = heatmap.NewFieldConfig()
}

// timeline is a band a series, colored by what its value means.
func timeline(p *dashboard.Panel) {
	o := statetimeline.NewOptions()
	o.Legend, o.Tooltip.Mode, o.Tooltip.Sort = legend(), common.TooltipDisplayModeSingle, common.SortOrderNone
	f := statetimeline.NewFieldConfig()
	f.FillOpacity = new(uint32(80))
	p.FieldConfig.Defaults.Custom = f
	p.Type, p.Options = "state-timeline", o
}

// calendar is a row of cells a series. A cell is as long as the variable of
// that name says, or longer, when there would be too many.
func calendar(p *dashboard.Panel) {
	each(p, func(q *prometheus.Dataquery) { q.Interval = new("$cell") })
	o := statushistory.NewOptions()
	o.ShowValue, o.Legend = common.VisibilityModeNever, legend()
	o.Tooltip.Mode, o.Tooltip.Sort = common.TooltipDisplayModeSingle, common.SortOrderNone
	f := statushistory.NewFieldConfig()
	f.FillOpacity = new(uint32(85))
	p.FieldConfig.Defaults.Custom = f
	p.Type, p.Options, p.MaxDataPoints = "status-history", o, new(120.0)
}

// column is one query's column of a table, with the unit, words, colors and
// so on that are its own: Grafana's names for them, and their values.
type column struct {
	title string
	props map[string]any
}

// columned is a table of one row a label set, and one column a query, in
// their order. The labels come first, under the titles given. A column without
// a title is not shown; the first one is what rows are sorted by, the greatest
// on top.
func columned(labels []string, titles []string, all ...column) kind {
	return func(p *dashboard.Panel) {
		each(p, func(q *prometheus.Dataquery) { instant(q); q.Format = new(prometheus.PromQueryFormatTable) })
		renamed, order, hidden := map[string]string{}, map[string]int{}, map[string]bool{"Time": true}
		for i, l := range labels {
			order[l], hidden[l] = i, titles[i] == ""
			renamed[l] = titles[i]
		}
		for i, c := range all {
			value := fmt.Sprintf("Value #%c", 'A'+i)
			order[value], hidden[value] = len(labels)+i, c.title == ""
			if c.title != "" {
				renamed[value] = c.title
				p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, override(c))
			}
		}
		p.Transformations = []dashboard.DataTransformerConfig{
			{Id: "merge", Options: map[string]any{}},
			{Id: "organize", Options: map[string]any{"excludeByName": hidden, "indexByName": order, "renameByName": renamed}},
		}
		p.FieldConfig.Defaults.Custom = table.NewFieldConfig()
		o := table.NewOptions()
		o.Footer, o.SortBy = nil, []common.TableSortByFieldState{{DisplayName: all[0].title, Desc: new(true)}}
		p.Type, p.Options = "table", o
	}
}

// override is what a column does its own way.
func override(c column) dashboard.DashboardFieldConfigSourceOverrides {
	o := dashboard.DashboardFieldConfigSourceOverrides{
		Matcher:    dashboard.MatcherConfig{Id: "byName", Options: c.title},
		Properties: []dashboard.DynamicConfigValue{},
	}
	for _, id := range []string{"unit", "decimals", "max", "noValue", "mappings", "thresholds", "custom.cellOptions", "custom.width"} {
		if v, ok := c.props[id]; ok {
			o.Properties = append(o.Properties, dashboard.DynamicConfigValue{Id: id, Value: v})
		}
	}
	return o
}
