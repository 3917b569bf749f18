package main

import (
	"cmp"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
)

// What a picture is made of, in pixels.
const (
	wide, high = 55, 29 // a cell of the grid
	edge       = 5      // around a panel
	head       = 32     // of a panel, for its title
)

// style has a dark half, so that a picture fits the page around it.
const style = `text{font:11px system-ui,"Segoe UI",Roboto,"Noto Sans","PingFang SC","WenQuanYi Micro Hei",sans-serif;fill:#24292f}
.t{font-size:12px;font-weight:600}.h{font-size:14px;font-weight:600}.q{fill:#6b7280}.m{font:10px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.w{fill:#fff;font-weight:600}.card{fill:#fff;stroke:#d9dce1}.g{stroke:#8886;stroke-width:.5}.p{fill:#f3f4f6}
@media(prefers-color-scheme:dark){text{fill:#d8dbe0}.q{fill:#9aa1ac}.card{fill:#181b1f;stroke:#2c3036}.p{fill:#0f1114}.w{fill:#fff}}`

// frame is the file around a picture.
const frame = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %.0f" width="%d" height="%.0f" role="img">
<title>%s: drawn from the answers to the dashboard's queries</title>
<style>%s</style>
<rect width="100%%" height="100%%" rx="6" class="p"/>
%s</svg>
`

// hex is what Grafana's color names come to here.
var hex = map[string]string{
	good: "#3f9150", open: "#d9a400", bad: "#d0453b", "orange": "#dd6f24", "blue": "#3f7fbf", "text": "currentColor", dim: "#9aa1ac",
}

// palette colors series that have no color of their own.
var palette = []string{"#3f7fbf", "#3f9150", "#d9a400", "#d0453b", "#8a5fbf", "#2a9d9d", "#dd6f24", "#b0568f", "#6b7280", "#7a9a2e"}

// canvas is an SVG in the making.
type canvas struct{ strings.Builder }

func (c *canvas) text(x, y float64, class, format string, args ...any) {
	fmt.Fprintf(c, "<text x=\"%.0f\" y=\"%.0f\" class=\"%s\">%s</text>\n", x, y, class, html.EscapeString(fmt.Sprintf(format, args...)))
}

func (c *canvas) rect(x, y, w, h float64, fill string) {
	fmt.Fprintf(c, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"2\" fill=\"%s\"/>\n", x, y, max(w, 0), max(h, 0), fill)
}

// box is where something may be drawn.
type box struct{ x, y, w, h float64 }

// draw writes a picture of each dashboard: of its own queries' answers, laid
// out and colored as it says. It is no picture of Grafana.
func draw(t *testing.T, a *asker, dir string) {
	t.Helper()
	for _, b := range boards() {
		c := new(canvas)
		var height float64
		for _, p := range b.dashboard().Panels {
			if p.RowPanel != nil {
				c.text(edge+4, float64(p.RowPanel.GridPos.Y)*high+high-9, "h", "%s", *p.RowPanel.Title)
				continue
			}
			answers := make([][]series, len(p.Panel.Targets))
			for i, q := range queriesOf(p.Panel) {
				var err error
				if answers[i], err = a.answer(p.Panel, q); err != nil {
					t.Fatal(err)
				}
				for _, s := range answers[i] {
					s.Metric["legend"] = legendOf(*q.LegendFormat, s.Metric)
				}
			}
			c.panel(p.Panel, a, answers)
			height = float64(p.Panel.GridPos.Y+p.Panel.GridPos.H) * high
		}
		svg := fmt.Sprintf(frame, columns*wide, height, columns*wide, height, b.title, style, c.String())
		if err := os.WriteFile(filepath.Join(dir, b.name+".svg"), []byte(svg), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// legendOf puts labels into a legend.
func legendOf(format string, labels map[string]string) string {
	for k, v := range labels {
		format = strings.ReplaceAll(format, "{{"+k+"}}", v)
	}
	return format
}

// panel draws one panel with its answers.
func (c *canvas) panel(p *dashboard.Panel, a *asker, answers [][]series) {
	at := p.GridPos
	card := box{float64(at.X)*wide + edge, float64(at.Y)*high + edge, float64(at.W)*wide - 2*edge, float64(at.H)*high - 2*edge}
	in := box{card.x + 10, card.y + head, card.w - 20, card.h - head - 8}
	fmt.Fprintf(c, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"4\" class=\"card\"/>\n", card.x, card.y, card.w, card.h)
	class, f := "t", p.FieldConfig.Defaults
	switch p.Type {
	case "stat":
		if o := p.Options.(*stat.Options); o.ColorMode == common.BigValueColorModeBackground {
			class = "t w"
		}
		c.figure(f, answers[0], card, class != "t")
	case "table":
		c.table(p, answers, in)
	case "status-history", "state-timeline":
		c.cells(f, answers[0], a, a.step(p, queriesOf(p)[0]).Seconds(), in)
	case "bargauge":
		c.bars(f, answers[0], in)
	case "heatmap":
		c.heat(f, answers[0], a, in)
	default:
		c.lines(p, slices.Concat(answers...), a, in)
	}
	c.text(card.x+10, card.y+17, class, "%s", *p.Title)
}

// figure is one number, on its color where it is the verdict.
func (c *canvas) figure(f dashboard.FieldConfig, found []series, at box, verdict bool) {
	text, color := "", "text"
	if f.NoValue != nil {
		text = *f.NoValue
	}
	if len(found) > 0 {
		if text, color = shown(f, found[0].Value.value); found[0].Metric["legend"] != "" {
			text = found[0].Metric["legend"]
		}
	}
	size, fill := min(26, 1.6*at.w/float64(max(len(text), 1))), hex[color]
	if verdict {
		c.rect(at.x, at.y, at.w, at.h, fill)
		fill = "#fff"
	}
	style := fmt.Sprintf("font-size:%.0fpx;font-weight:600", size)
	if fill != "currentColor" {
		style += ";fill:" + fill
	}
	fmt.Fprintf(c, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\" style=\"%s\">%s</text>\n", at.x+at.w/2, at.y+at.h/2+size/2+4, style, html.EscapeString(text))
}

// bars are one bar a series, the longest first.
func (c *canvas) bars(f dashboard.FieldConfig, found []series, at box) {
	slices.SortFunc(found, func(x, y series) int {
		return cmp.Or(cmp.Compare(y.Value.value, x.Value.value), strings.Compare(x.Metric["legend"], y.Metric["legend"]))
	})
	most := 1.0
	for _, s := range found {
		most = max(most, s.Value.value)
	}
	step := min(26, at.h/float64(max(len(found), 1)))
	for i, s := range found {
		y := at.y + float64(i)*step
		text, color := shown(f, s.Value.value)
		c.text(at.x, y+14, "", "%s", s.Metric["legend"])
		c.rect(at.x+110, y+3, max(2, (at.w-150)*s.Value.value/most), step-8, hex[color])
		c.text(at.x+at.w-34, y+14, "t", "%s", text)
	}
}

// cells are a row of cells a series, each colored by what its value means.
func (c *canvas) cells(f dashboard.FieldConfig, found []series, a *asker, step float64, at box) {
	names := min(330, at.w/2.2)
	rowed := min(22, (at.h-38)/float64(max(len(found), 1)))
	long := (at.w - names) / (a.to.Sub(a.from).Seconds() + step)
	seen := map[string]string{}
	for i, s := range found {
		y := at.y + float64(i)*rowed
		c.text(at.x, y+rowed/2+4, "", "%s", s.Metric["legend"])
		for _, p := range s.points() {
			text, color := shown(f, p.value)
			if seen[text] = hex[cmp.Or(color, "text")]; strings.HasPrefix(color, "#") {
				seen[text] = color
			}
			x := at.x + names + max(0, p.at-float64(a.from.Unix()))*long
			c.rect(x, y+2, min(step*long, at.x+at.w-x)-min(1, step*long/8), rowed-4, seen[text])
		}
	}
	c.clock(a, box{at.x + names, at.y, at.w - names, at.h - 36})
	x := at.x
	for text, color := range sorted(seen) {
		c.rect(x, at.y+at.h-9, 10, 10, color)
		c.text(x+15, at.y+at.h, "q", "%s", text)
		x += 40 + 6*float64(len(text))
	}
}

// table is the packs' table, with its columns' own units and colors.
func (c *canvas) table(p *dashboard.Panel, answers [][]series, at box) {
	rows := tabled(p, answers)
	widths := []float64{250, 195, 48, 104, 100, 126, 58, 105, 126, 42, 48, 42, 50}
	step := min(24, (at.h-16)/float64(len(rows)))
	for i, r := range rows {
		x, y := at.x, at.y+step*float64(i)+10
		for j, cell := range r {
			switch w := widths[j]; {
			case i == 0:
				c.text(x, y, "t q", "%s", cell.text)
			case cell.fill != "":
				c.rect(x, y-11, w-8, step-2, cell.fill)
				c.text(x+6, y, "w", "%s", cell.text)
			case cell.share > 0:
				c.rect(x, y-9, (w-50)*min(1, cell.share/2), 9, cell.color)
				c.text(x+w-44, y, "", "%s", cell.text)
			default:
				class := "m"
				if j == 0 || j > 3 {
					class = ""
				}
				fmt.Fprintf(c, "<text x=\"%.0f\" y=\"%.0f\" class=\"%s\"%s>%s</text>\n", x, y, class, colored(cell.color), html.EscapeString(short(cell.text, int(w/6))))
			}
			x += widths[j]
		}
	}
}

func colored(color string) string {
	if color == "" || color == "currentColor" {
		return ""
	}
	return ` style="fill:` + color + `;font-weight:600"`
}
