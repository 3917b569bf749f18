package notify

import (
	"net/url"
	"slices"
	"strings"
)

// runbook is where the runbook is, as in the alerting rules.
const runbook = "https://packseal.example/docs/runbook"

// anchor returns the runbook's section about events of the kind.
func (k Kind) anchor() string {
	return map[Kind]string{
		Gap: "gap", Blocked: "refused", Overdue: "overdue", Problems: "verify-damage", ReloadFailed: "config-reload-failed",
		NotKept: "pack-not-kept", NotListed: "packs-not-listed",
	}[k]
}

// maxLinks is how many packs of a message are linked by themselves.
const maxLinks = 3

// links returns the links of a message about events: to the page of each pack or,
// if they are many, to that of all, and to the runbook. Without the page's address
// there are none.
func (r renderer) links(text *messages, events []Event) (links []Link) {
	if r.page == "" {
		return nil
	}
	var packs, sections []Link
	for _, e := range events {
		if a := e.Kind.anchor(); a != "" {
			sections = append(sections, Link{text.runbook + " (" + a + ")", runbook + "#" + a})
		}
		if e.Pack == "" || e.Kind == NotKept || e.Kind == Gone { // it has no page
			continue
		}
		name := clip(e.pack(), 160)
		if e.Name != "" {
			name = clip(e.Name, 80)
		}
		packs = append(packs, Link{name, r.url(append([]string{"packs", e.Source}, strings.Split(e.Pack, "/")...)...)})
	}
	if packs = distinct(packs); len(packs) == 0 || len(packs) > maxLinks {
		packs = []Link{{text.overview, r.url()}}
	}
	return append(packs, distinct(sections)...)
}

// url returns the address of the page below these path elements.
func (r renderer) url(elements ...string) string {
	for i, e := range elements {
		elements[i] = url.PathEscape(e)
	}
	return strings.TrimSuffix(r.page, "/") + "/" + strings.Join(elements, "/")
}

// distinct returns the first link to each address.
func distinct(links []Link) (once []Link) {
	for _, l := range links {
		if !slices.ContainsFunc(once, func(o Link) bool { return o.URL == l.URL }) {
			once = append(once, l)
		}
	}
	return once
}
