//go:build chaos

package chaos

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"packseal.example/test/lab"
)

// watch looks at the process for as long as it runs: neither metrics nor page
// may ever claim more than the archive holds. It is not looked at where the
// archive can't be read meanwhile, because its disk comes and goes.
func (p *process) watch() {
	for {
		select {
		case <-p.Done:
			return
		case <-time.After(400 * time.Millisecond):
		}
		if p.rig.unwatched {
			continue
		}
		series, err := p.Series()
		packs, err2 := p.Packs()
		if err != nil || err2 != nil {
			continue // it begins, ends, or has too much to do
		}
		sealed, gaps := lab.ReadRecords(p.rig.archive).ByPack()
		for _, s := range packs {
			metric := func(result string) int {
				return int(series[fmt.Sprintf("packseal_archive_slots{pack=%q,result=%q,source=%q}", s.Pack, result, s.Source)])
			}
			if n := sealed[s.Pack]; s.Sealed > n || metric("sealed") > n {
				p.rig.t.Errorf("%s: the page has %d slots sealed, the metrics %d, the archive %d", s.Pack, s.Sealed, metric("sealed"), n)
			}
			if n := gaps[s.Pack]; s.Gaps > n || metric("gap") > n {
				p.rig.t.Errorf("%s: the page has %d gaps, the metrics %d, the archive %d", s.Pack, s.Gaps, metric("gap"), n)
			}
		}
	}
}

// truthful waits until metrics and page show the archive as it is, and that
// there is nothing else to do.
func (p *process) truthful() {
	p.rig.t.Helper()
	p.Eventually(lab.Patience, func() string {
		a := lab.ReadRecords(p.rig.archive)
		wrong := p.differs(a)
		if now := lab.ReadRecords(p.rig.archive); len(now.Slots) != len(a.Slots) {
			return "the archive is being written to"
		}
		return wrong
	})
}

// differs says where metrics and page are not what the archive makes them.
func (p *process) differs(a lab.Archive) string {
	series, err := p.Series()
	packs, err2 := p.Packs()
	page, err3 := p.Get("/?lang=en")
	if err != nil || err2 != nil || err3 != nil {
		return fmt.Sprint("it shows nothing: ", err, err2, err3)
	}
	want := make(map[string]float64)
	reports, gaps := 0, make(map[string]int)
	for i, s := range packs {
		ends := endsOf(a, s.Pack)
		reports += len(ends.sealed)
		for _, e := range ends.gaps {
			gaps[e.Gap]++
		}
		ends.want(want, s)
		if wrong := ends.shown(s); wrong != "" {
			return s.Pack + " on the page: " + wrong
		}
		if wrong := ends.row(page, s); wrong != "" {
			return s.Pack + " on the HTML page: " + wrong
		}
		if i < 10 { // each of these reads the archive
			if wrong := p.history(a, s.Pack); wrong != "" {
				return wrong
			}
		}
	}
	noun := "reports"
	if reports == 1 {
		noun = "report"
	}
	if line := fmt.Sprintf("%d %s sealed in total", reports, noun); !strings.Contains(page, line) {
		return "the page does not say: " + line
	}
	want[`packseal_queue_pending{source="prod"}`], want["packseal_spool_reports"], want["packseal_spool_bytes"] = 0, 0, 0
	for name, v := range series {
		family, labels, _ := strings.Cut(name, "{")
		switch {
		case family == "packseal_gaps_total": // what this process has recorded, at most all
			reason := strings.TrimSuffix(strings.TrimPrefix(labels, `reason="`), `"}`)
			want[name] = min(v, float64(gaps[reason]))
		case family == "packseal_sink_up":
			want[name] = 1
		case strings.HasSuffix(family, "_panics_total"):
			want[name] = 0
		}
	}
	for name, v := range want {
		if got, ok := series[name]; !ok || math.Abs(got-v) > 0.002 { // times are in milliseconds
			return fmt.Sprintf("%s is %v, %t; want %v", name, got, ok, v)
		}
	}
	return ""
}

// ends are those of one pack's slots, by their due times.
type ends struct{ sealed, gaps []ended }

// ended is a slot and how it ended.
type ended struct {
	lab.End
	due time.Time
}

// endsOf returns a pack's.
func endsOf(a lab.Archive, pack string) (of ends) {
	for s, e := range a.Slots {
		switch {
		case s.Pack != pack:
		case e.Sealed != nil:
			of.sealed = append(of.sealed, ended{e, s.At()})
		default:
			of.gaps = append(of.gaps, ended{e, s.At()})
		}
	}
	for _, list := range [][]ended{of.sealed, of.gaps} {
		slices.SortFunc(list, func(x, y ended) int { return x.due.Compare(y.due) })
	}
	return of
}

// last is the latest of both kinds, zero where there is none.
func (of ends) last() (m lab.Manifest, gap ended) {
	if n := len(of.sealed); n > 0 {
		m = *of.sealed[n-1].Sealed
	}
	if n := len(of.gaps); n > 0 {
		gap = of.gaps[n-1]
	}
	return m, gap
}

// want adds what the metrics are to be.
func (of ends) want(series map[string]float64, s lab.PackState) {
	m, gap := of.last()
	labels := fmt.Sprintf("{pack=%q,source=%q}", s.Pack, s.Source)
	for result, n := range map[string]int{"sealed": len(of.sealed), "gap": len(of.gaps)} {
		series[fmt.Sprintf("packseal_archive_slots{pack=%q,result=%q,source=%q}", s.Pack, result, s.Source)] = float64(n)
	}
	for name, at := range map[string]time.Time{
		"last_sealed": m.Sealed, "last_gap": gap.Recorded, "report_created": m.Created, "last_due": s.LastDue, "next_due": s.NextDue,
	} {
		series["packseal_"+name+"_timestamp_seconds"+labels] = max(0, float64(at.UnixMilli())/1000)
	}
	series["packseal_report_bytes"+labels] = float64(m.Size)
}

// shown says what is wrong with a pack as the API shows it.
func (of ends) shown(s lab.PackState) string {
	m, gap := of.last()
	state := "waiting"
	switch {
	case gap.due.After(m.Due):
		state = "gap"
	case len(of.sealed) > 0:
		state = "sealed"
	}
	want := s // but for what follows from the archive
	want.State, want.Trouble, want.Sealed, want.Gaps = state, "", len(of.sealed), len(of.gaps)
	want.LastSHA256, want.LastSize, want.LastReason = m.SHA256, m.Size, gap.Gap
	if want.LastSealed, want.LastGap = m.Sealed, gap.due; s != want || !strings.HasSuffix(s.LastObject, m.Object) {
		return fmt.Sprintf("%+v, want %+v", s, want)
	}
	return ""
}

// numbers are what a row of the HTML page has, after the pack's name.
var numbers = regexp.MustCompile(`(?s)^</code></th>.*?class="state (\w+)".*?data-label="Sealed">(\d+)<.*?data-label="Gaps">(\d+)\b.*?data-label="Latest report">(.*?)</td>`)

// row says what is wrong with the pack's row of the HTML page.
func (of ends) row(page string, s lab.PackState) string {
	_, row, _ := strings.Cut(page, "<code>"+s.Source+"/"+s.Pack)
	row, _, _ = strings.Cut(row, "</tr>")
	m, _ := of.last()
	got := numbers.FindStringSubmatch(row)
	if len(got) == 0 || got[1] != s.State || got[2] != fmt.Sprint(len(of.sealed)) || got[3] != fmt.Sprint(len(of.gaps)) ||
		!strings.Contains(got[4], m.SHA256[:min(12, len(m.SHA256))]) {
		return fmt.Sprintf("%q", row)
	}
	return ""
}

// history says which slots of a pack the API shows otherwise than the archive.
func (p *process) history(a lab.Archive, pack string) string {
	slots, err := p.Slots(pack)
	if err != nil {
		return err.Error()
	}
	for s, e := range a.Slots {
		if s.Pack != pack {
			continue
		}
		got, ok := slots[s]
		if delete(slots, s); !ok || got.Gap != e.Gap || (got.Sealed != nil) != (e.Sealed != nil) || e.Sealed != nil && got.Sealed.SHA256 != e.Sealed.SHA256 {
			return fmt.Sprintf("%v is %+v on the page, %+v in the archive", s, got, e)
		}
	}
	if len(slots) > 0 {
		return fmt.Sprintf("%v are not in the archive", slots)
	}
	return ""
}

// ends checks the process's metrics and page, ends it with SIGTERM, and checks
// those of the one that is started in its place: a restart changes nothing.
func (p *process) ends() {
	p.rig.t.Helper()
	p.truthful()
	p.stop()
	p = p.rig.start()
	p.truthful()
	p.stop()
}
