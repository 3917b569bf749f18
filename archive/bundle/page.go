package bundle

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"packseal.example/archive/audit"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/i18n"
)

// page is a statement for people: HTML that prints well, and needs no script and no
// network.
type page struct {
	audit.Statement
	names   map[string]string // of packs, by <source>/<pack>
	Packs   []pagePack        // with reports that are beside the page
	Bundle  bool              // it is in one, so that its files can be linked to
	Links   []Link            // to other pages
	Chinese bool              // it begins with that language
	zone    *time.Location
}

// pagePack is a pack with its reports.
type pagePack struct {
	pageKey
	Reports []pageReport
}

// pageReport is a report beside the page.
type pageReport struct{ Path, Name string }

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// Page writes a statement as a page, which begins in a language and has links to
// others.
func (m Made) Page(w io.Writer, lang string, links ...Link) error {
	p := newPage(*m.Statement, m.names)
	p.Chinese, p.Links = lang == audit.Chinese, links
	return p.write(w)
}

// Link is one to another page.
type Link struct{ Path, Name string }

// StyleSource is the source of the style sheet in pages, as a content security policy
// names it.
func StyleSource() string {
	_, style, _ := strings.Cut(pageText, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func newPage(s audit.Statement, names map[string]string) *page {
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		zone = time.UTC
	}
	return &page{Statement: s, names: names, zone: zone}
}

// names returns what manifests call the packs, by <source>/<pack>: of several names the
// latest.
func names(slots []sealed) map[string]string {
	names, due := make(map[string]string), make(map[string]time.Time)
	for _, s := range slots {
		if key := s.Source + "/" + s.Slot.Pack; s.Name != "" && !s.Due.Before(due[key]) {
			names[key], due[key] = s.Name, s.Due
		}
	}
	return names
}

// pageKey is a key of a pack, a slot or an object, and the name of its pack if there is
// one.
type pageKey struct{ Name, Key string }

// Of returns a key for the page.
func (p *page) Of(key string) pageKey {
	pack, _, _ := strings.Cut(key, "@")
	if slot, _, ok := evidence.ParseKey(strings.TrimPrefix(key, tree.FoundKey(""))); ok {
		pack = slot.Source + "/" + slot.Pack
	}
	return pageKey{p.names[pack], key}
}

// Others returns the findings that are not listed as missing or open slots.
func (p *page) Others() []audit.Finding {
	return slices.DeleteFunc(slices.Clone(p.Findings), audit.Finding.Listed)
}

// page returns the page of the bundle.
func (m *making) page(st audit.Statement) *page {
	p := newPage(st, m.names)
	p.Bundle = true
	slices.SortStableFunc(m.sealed, func(x, y sealed) int {
		return cmp.Or(cmp.Compare(x.Source, y.Source), cmp.Compare(x.Pack, y.Pack), x.Due.Compare(y.Due))
	})
	last := evidence.PackRef{}
	for _, s := range m.sealed {
		if !s.kept {
			continue
		}
		if ref := s.Ref(); ref != last || len(p.Packs) == 0 {
			last = ref
			p.Packs = append(p.Packs, pagePack{pageKey: p.Of(s.Source + "/" + s.Slot.Pack)})
		}
		pack := evidence.Pack{PackRef: s.Ref(), Name: s.Name, Zone: st.Zone}
		of := &p.Packs[len(p.Packs)-1]
		of.Reports = append(of.Reports, pageReport{audit.ReportName(s.Object), pack.FileName(s.Due, "2006-01-02 1504", s.ext)})
	}
	return p
}

func (p *page) write(w io.Writer) error {
	return pageTemplate.Execute(w, map[string]*language{"English": {p, audit.English}, "Chinese": {p, audit.Chinese}})
}

// language is a page in one language.
type language struct {
	*page
	Lang string
}

// T returns the text of the language.
func (l *language) T(english, chinese string) string {
	if l.Lang == audit.Chinese {
		return chinese
	}
	return english
}

// N returns how many there are of something, with its English noun or Chinese measure.
func (l *language) N(n int, english, chinese string) string {
	if l.Lang == audit.Chinese {
		return fmt.Sprint(n, " ", chinese)
	}
	return i18n.Count(n, english)
}

// Why returns the reason of a gap in words.
func (l *language) Why(r fault.Reason) string { return reasons[l.Lang][r] }

var reasons = map[string]map[fault.Reason]string{audit.English: i18n.EnglishReasons(), audit.Chinese: i18n.ChineseReasons()}

// Time writes a time in the zone of the period.
func (l *language) Time(t time.Time) string {
	return t.In(l.zone).Format("2006-01-02 15:04:05 -07:00")
}

// Days writes the first and the last moment of the period.
func (l *language) Days() string {
	from, last := l.From.In(l.zone), l.Until.Add(-time.Second).In(l.zone)
	layout := time.DateOnly
	if from.Format(time.TimeOnly) != "00:00:00" || last.Format(time.TimeOnly) != "23:59:59" {
		layout = time.DateTime
	}
	return from.Format(layout) + " – " + last.Format(layout)
}

// Longest is the longest time without a stamp.
func (l *language) Longest() string {
	return (time.Duration(l.Stamps.Longest) * time.Second).String()
}

// In returns a finding's sentence, and Limit what is not proven.
func (l *language) In(f audit.Finding) string  { return f.In(l.Lang) }
func (l *language) Limit(x audit.Limit) string { return x.Text(l.Lang) }
