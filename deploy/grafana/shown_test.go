package main

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// deciles are where times are written.
var deciles = []time.Duration{0, 4, 8}

// shown is a value in its unit and color, as a field's settings have it.
func shown(f dashboard.FieldConfig, v float64) (text, color string) {
	for _, m := range f.Mappings {
		switch {
		case m.ValueMap != nil:
			if w, ok := m.ValueMap.Options[strconv.FormatFloat(v, 'f', -1, 64)]; ok {
				return *w.Text, *w.Color
			}
		case m.SpecialValueMap != nil && math.IsNaN(v):
			return *m.SpecialValueMap.Options.Result.Text, *m.SpecialValueMap.Options.Result.Color
		}
	}
	for _, s := range f.Thresholds.Steps {
		if s.Value == nil || v >= *s.Value {
			color = s.Color
		}
	}
	if f.Decimals != nil {
		return fmt.Sprintf("%.*f", int(*f.Decimals), v), color
	}
	return unit(*f.Unit, v), color
}

// unit writes a value with a unit of Grafana's.
func unit(name string, v float64) string {
	plain := strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
	kind, text, _ := strings.Cut(name, ":")
	switch kind {
	case "suffix":
		return plain + " " + text
	case "s":
		return scaled(v, []string{"ms", "s", "min", "h", "d"}, []float64{.001, 1, 60, 3600, 86400})
	case "bytes":
		return scaled(v, []string{"B", "KiB", "MiB", "GiB"}, []float64{1, 1 << 10, 1 << 20, 1 << 30})
	case "percentunit":
		return fmt.Sprintf("%.3g %%", 100*v)
	case "dateTimeAsIso":
		return time.UnixMilli(int64(v)).UTC().Format("2006-01-02 15:04:05")
	case "reqps", "ops":
		return plain + "/s"
	}
	return plain
}

// scaled writes a value in the largest unit that it has one of.
func scaled(v float64, units []string, sizes []float64) string {
	i := len(sizes) - 1
	for i > 0 && v < sizes[i] {
		i--
	}
	if v == 0 {
		return "0"
	}
	return fmt.Sprintf("%.3g %s", v/sizes[i], units[i])
}

// nice is the next round number above v.
func nice(v float64) float64 {
	if v <= 0 {
		return 0
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 2, 4, 5, 8, 10} {
		if v <= step*power {
			return step * power
		}
	}
	return v
}

// highest is the greatest value, or the greatest sum at one time.
func highest(found []series, stack bool) (top float64) {
	sums := map[float64]float64{}
	for _, s := range found {
		for _, p := range s.points() {
			if !math.IsNaN(p.value) {
				sums[p.at] += p.value
				top = max(top, p.value)
			}
		}
	}
	if stack {
		top = max(top, slices.Max(slices.Collect(maps.Values(sums))))
	}
	return top
}

// short cuts a text that is too long.
func short(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

func sorted(m map[string]string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

// bound is the upper one of a bucket.
func bound(s series) float64 {
	v, _ := strconv.ParseFloat(s.Metric["le"], 64)
	return v
}

// shownCell is one cell of a table.
type shownCell struct {
	text, color, fill string
	share, value      float64
}

// tabled joins the answers to a table's queries as its transformations say:
// merged by their labels, columns in order and under their titles.
func tabled(p *dashboard.Panel, answers [][]series) (rows [][]shownCell) {
	o := p.Transformations[1].Options.(map[string]any)
	hidden, order, titles := o["excludeByName"].(map[string]bool), o["indexByName"].(map[string]int), o["renameByName"].(map[string]string)
	keys := slices.SortedFunc(maps.Keys(order), func(x, y string) int { return cmp.Compare(order[x], order[y]) })
	keys = slices.DeleteFunc(keys, func(k string) bool { return hidden[k] })
	byPack, packs := map[string]map[string]shownCell{}, []string{}
	for i, found := range answers {
		for _, s := range found {
			id := s.Metric["job"] + s.Metric["source"] + s.Metric["pack"]
			if byPack[id] == nil {
				byPack[id], packs = map[string]shownCell{}, append(packs, id)
			}
			for k, v := range s.Metric {
				byPack[id][k] = shownCell{text: v}
			}
			value := fmt.Sprintf("Value #%c", 'A'+i)
			byPack[id][value] = columnCell(p, titles[value], s.Value.value)
		}
	}
	slices.SortStableFunc(packs, func(x, y string) int {
		return cmp.Compare(byPack[y]["Value #A"].value, byPack[x]["Value #A"].value)
	})
	var header []shownCell
	for _, k := range keys {
		header = append(header, shownCell{text: titles[k]})
	}
	rows = append(rows, header)
	for _, id := range packs {
		var r []shownCell
		for _, k := range keys {
			r = append(r, byPack[id][k])
		}
		rows = append(rows, r)
	}
	return rows
}

// columnCell is a value in the column of that title.
func columnCell(p *dashboard.Panel, title string, v float64) shownCell {
	f := p.FieldConfig.Defaults
	looks := ""
	for _, o := range p.FieldConfig.Overrides {
		if o.Matcher.Options != title {
			continue
		}
		for _, prop := range o.Properties {
			switch set := prop.Value.(type) {
			case string:
				f.Unit = &set
			case []dashboard.ValueMapping:
				f.Mappings = set
			case dashboard.ThresholdsConfig:
				f.Thresholds = &set
			case map[string]any:
				looks = set["type"].(string)
			}
		}
	}
	text, color := shown(f, v)
	cell := shownCell{text: text, value: v, color: hex[color]}
	switch looks {
	case "color-background":
		cell.fill = hex[color]
	case "gauge":
		cell.share = v
	}
	return cell
}
