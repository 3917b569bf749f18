package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// lines are one line a series, or bars upon each other.
func (c *canvas) lines(p *dashboard.Panel, found []series, a *asker, at box) {
	f := p.FieldConfig.Defaults
	plot := box{at.x + 52, at.y, at.w - 52, at.h - 44}
	stack := f.Custom.(*timeseries.FieldConfig).Stacking != nil
	top := cmp.Or(nice(highest(found, stack)), 1)
	for i := range 5 {
		y := plot.y + plot.h*float64(i)/4
		fmt.Fprintf(c, "<path d=\"M%.0f %.1fh%.0f\" class=\"g\"/>\n", plot.x, y, plot.w)
		text, _ := shown(f, top*float64(4-i)/4)
		c.text(at.x, y+4, "q", "%s", text)
	}
	for _, s := range f.Thresholds.Steps[1:] {
		if *s.Value <= top {
			fmt.Fprintf(c, "<path d=\"M%.0f %.1fh%.0f\" stroke=\"%s\" stroke-dasharray=\"6 4\"/>\n", plot.x, plot.y+plot.h*(1-*s.Value/top), plot.w, hex[bad])
		}
	}
	x, length := at.x, a.to.Sub(a.from).Seconds()
	below := map[float64]float64{}
	for i, s := range found {
		color := palette[i%len(palette)]
		var path strings.Builder
		verb := "M"
		for _, v := range s.points() {
			if math.IsNaN(v.value) {
				continue
			}
			x := plot.x + plot.w*(v.at-float64(a.from.Unix()))/length
			if stack {
				fmt.Fprintf(&path, "M%.0f %.1fv%.1f", x, plot.y+plot.h*(1-below[v.at]/top), -plot.h*v.value/top)
				below[v.at] += v.value
				continue
			}
			fmt.Fprintf(&path, "%s%.0f %.1f", verb, x, plot.y+plot.h*(1-v.value/top))
			verb = "L"
		}
		thick := 1.4
		if stack {
			thick = 3
		}
		fmt.Fprintf(c, "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"%.1f\" stroke-linejoin=\"round\"/>\n", path.String(), color, thick)
		if name := short(s.Metric["legend"], 34); x+18+6*float64(len(name)) < at.x+at.w {
			c.rect(x, at.y+at.h-6, 10, 3, color)
			c.text(x+14, at.y+at.h, "q", "%s", name)
			x += 28 + 6*float64(len(name))
		}
	}
	c.clock(a, plot)
}

// heat is a cell a bucket and step, the darker the more.
func (c *canvas) heat(f dashboard.FieldConfig, found []series, a *asker, at box) {
	slices.SortFunc(found, func(x, y series) int { return cmp.Compare(bound(x), bound(y)) })
	plot := box{at.x + 52, at.y, at.w - 52, at.h - 26}
	rowed, below := plot.h/float64(len(found)), map[float64]float64{}
	for i, s := range found {
		y := plot.y + plot.h - rowed*float64(i+1)
		if text, _ := shown(f, bound(s)); !math.IsInf(bound(s), 1) {
			c.text(at.x, y+4, "q", "%s", text)
		}
		for _, p := range s.points() {
			if n := p.value - below[p.at]; n > 0.01 {
				x := plot.x + plot.w*(p.at-float64(a.from.Unix()))/a.to.Sub(a.from).Seconds()
				fmt.Fprintf(c, "<rect x=\"%.1f\" y=\"%.1f\" width=\"4\" height=\"%.1f\" fill=\"%s\" opacity=\"%.2f\"/>\n", x, y+1, rowed-2, hex["orange"], min(1, 0.25+n/8))
			}
			below[p.at] = p.value
		}
	}
	c.clock(a, plot)
}

// clock writes the times below a plot.
func (c *canvas) clock(a *asker, plot box) {
	for i := range deciles {
		at := a.from.Add(a.to.Sub(a.from) * deciles[i] / 10)
		c.text(plot.x+plot.w*float64(deciles[i])/10, plot.y+plot.h+14, "q", "%s", at.UTC().Format("15:04:05"))
	}
}
