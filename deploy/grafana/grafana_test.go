package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"

	"packseal.example/test/lab"
)

func TestMain(m *testing.M) {
	plugins.RegisterDefaultPlugins() // the options of each kind of panel, for decoding
	os.Exit(lab.Main(m))
}

// TestFiles: the dashboards at hand are those described.
func TestFiles(t *testing.T) {
	t.Parallel()
	for _, b := range boards() {
		want, err := b.json()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(b.file()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what its description says (%v); to write it: go generate, in this folder", b.file(), err)
		}
	}
}

// TestStrict: Grafana's own types know every field, down to the options of
// each kind of panel, and miss none.
func TestStrict(t *testing.T) {
	t.Parallel()
	for _, b := range boards() {
		raw, err := os.ReadFile(b.file())
		if err != nil {
			t.Fatal(err)
		}
		var d classic
		if faults := decode(&d, raw); faults != "" {
			t.Errorf("%s: %s", b.file(), faults)
		}
		if d.Id != nil || *d.Uid != b.uid() || d.SchemaVersion < 38 {
			t.Errorf("%s: id %v, uid %q, schemaVersion %d", b.file(), d.Id, *d.Uid, d.SchemaVersion)
		}
		for _, word := range []string{"reduceOptions", "gridPos", "legendFormat", "allValue", "spanNulls"} {
			wrong := bytes.Replace(raw, []byte(`"`+word+`"`), []byte(`"`+word+`s"`), 1)
			if faults := decode(&d, wrong); !strings.Contains(faults, word) {
				t.Errorf("%s: a misspelt %s went through: %q", b.file(), word, faults)
			}
		}
	}
}

// decode returns what is wrong with a dashboard. The SDK says that nothing is
// with an error that is empty.
func decode(d *classic, raw []byte) string {
	if err := d.UnmarshalJSONStrict(raw); err != nil {
		return err.Error()
	}
	return ""
}

// panelsOf are a dashboard's panels, without the headings.
func panelsOf(b board) (panels []*dashboard.Panel) {
	for _, p := range b.dashboard().Panels {
		if p.Panel != nil {
			panels = append(panels, p.Panel)
		}
	}
	return panels
}

// TestLayout: panels lie side by side on the grid, and none over another.
func TestLayout(t *testing.T) {
	t.Parallel()
	for _, b := range boards() {
		taken, ids, rows := map[[2]uint32]string{}, map[uint32]bool{}, map[uint32]uint32{}
		for _, p := range b.dashboard().Panels {
			at, id, title := (*dashboard.GridPos)(nil), uint32(0), ""
			if p.RowPanel != nil {
				at, id, title = p.RowPanel.GridPos, p.RowPanel.Id, *p.RowPanel.Title
			} else {
				at, id, title = p.Panel.GridPos, *p.Panel.Id, *p.Panel.Title
			}
			if ids[id] {
				t.Errorf("%s: %s has an id that another one has", b.name, title)
			}
			ids[id] = true
			rows[at.Y] += at.W
			for x := at.X; x < at.X+at.W; x++ {
				for y := at.Y; y < at.Y+at.H; y++ {
					if under, ok := taken[[2]uint32{x, y}]; ok {
						t.Fatalf("%s: %s lies over %s", b.name, title, under)
					}
					taken[[2]uint32{x, y}] = title
				}
			}
		}
		for y, w := range rows {
			if w != columns {
				t.Errorf("%s: the row at %d is %d wide", b.name, y, w)
			}
		}
	}
}

// TestPanels: each panel says what it shows, in what unit, of which data.
func TestPanels(t *testing.T) {
	t.Parallel()
	kinds := []string{"stat", "table", "timeseries", "status-history", "state-timeline", "bargauge", "heatmap"}
	for _, b := range boards() {
		titles := map[string]bool{}
		for _, p := range panelsOf(b) {
			d := p.FieldConfig.Defaults
			switch {
			case *p.Title == "" || titles[*p.Title]:
				t.Errorf("%s: %q is no title, or that of two", b.name, *p.Title)
			case len(*p.Description) < 8 || !strings.HasSuffix(*p.Description, "."):
				t.Errorf("%s: %s is described as %q", b.name, *p.Title, *p.Description)
			case *d.Unit == "" || len(p.Targets) == 0 || *p.Datasource.Uid != "${datasource}":
				t.Errorf("%s: %s lacks unit, queries or the data source", b.name, *p.Title)
			case !slices.Contains(kinds, p.Type):
				t.Errorf("%s: %s is a %s", b.name, *p.Title, p.Type)
			}
			titles[*p.Title] = true
		}
	}
}

// heading is a section of a Markdown file.
var heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)

// TestRunbook: every link to the runbook leads to a section of it.
func TestRunbook(t *testing.T) {
	t.Parallel()
	book, err := os.ReadFile(filepath.Join("..", "..", "docs", "runbook.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]bool{}
	for _, h := range heading.FindAllSubmatch(book, -1) {
		sections[strings.ReplaceAll(strings.ToLower(string(h[1])), " ", "-")] = true
	}
	linked := 0
	for _, b := range boards() {
		for _, p := range panelsOf(b) {
			for _, l := range p.Links {
				_, section, _ := strings.Cut(*l.Url, "#")
				if linked++; !sections[section] {
					t.Errorf("%s: %s links to %s", b.name, *p.Title, *l.Url)
				}
			}
		}
	}
	if linked == 0 {
		t.Error("no panel links to the runbook")
	}
}

// queriesOf are a panel's.
func queriesOf(p *dashboard.Panel) (all []*prometheus.Dataquery) {
	each(p, func(q *prometheus.Dataquery) { all = append(all, q) })
	return all
}
