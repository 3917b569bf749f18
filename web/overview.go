package web

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"packseal.example/internal/evidence"
)

// maxNamed is how many packs the headline names before it says "and more".
const maxNamed = 3

// maxRows is how many packs the page shows unless it is asked for all: browsers
// are slow with tens of thousands, above all every 30 seconds.
const maxRows = 1000

// totals are the numbers of the page's first lines.
type totals struct {
	Packs                                        int
	Attention, Sealed, Working, Waiting, Reading int // packs by state
	Ended, Disabled                              int
	Incomplete                                   int // packs whose history is being read
	Paused                                       int // packs that are paused by themselves
	Failing                                      int // packs whose last attempt at the slot in progress failed
	Reports, Gaps                                int // slots of all packs

	Doubt bool // what is counted may have changed since: the queue or a sink does not answer
}

// overview is the page of all packs.
type overview struct {
	page
	Paused  bool // the page does not refresh
	Totals  totals
	Look    bool // somebody should
	Summary string
	Details []trouble
	Ledger  *evidence.LedgerStatus // nil = there is none
	Vouched []vouched
	Some    string // says that there are more packs than rows, or empty
	Rows    []row
}

// vouched says when others vouched for the ledger last.
type vouched struct {
	By  string // what they are
	All []voucher
}

// voucher is one of them.
type voucher struct {
	Name  string
	At    timestamp // of nothing: not yet
	Error string
}

// vouched returns who vouches for the ledger, authorities first.
func (o overview) vouched() (all []vouched) {
	if o.Ledger == nil {
		return nil
	}
	for i, anchors := range [][]evidence.LedgerAnchor{o.Ledger.Stamps, o.Ledger.Witnesses} {
		v := vouched{By: []string{o.L.Stamped, o.L.Cosigned}[i]}
		for _, a := range anchors {
			v.All = append(v.All, voucher{a.Name, o.L.timestamp(a.At, o.time, o.zone), a.Error})
		}
		if len(anchors) > 0 {
			all = append(all, v)
		}
	}
	return all
}

// row is one pack on the page.
type row struct {
	Pack      Pack   // not embedded: templates are slow with promoted fields
	Label     string // its name, or its key if it has none
	Link      string
	Mark      string // the state, for shape and color
	Word      string // the state, in words
	Attention bool
	Sealed    timestamp
	Next      timestamp
	Ended     timestamp // its until, if that has come
	LastGap   timestamp
	Paused    timestamp // since when
	Resumes   timestamp // when that ends by itself
	Why       string    // what the latest gap's reason means
	Size      string
	Hash      string // the first 12 digits
}

func (s *Server) serveOverview(w http.ResponseWriter, r *http.Request) {
	o := overview{page: s.newPage(r), Ledger: s.ledger(), Paused: r.URL.Query().Has("pause")}
	packs, status, zones := s.opts.Packs(), s.opts.Status(), zones{}
	o.in(zones.common(packs))
	o.Vouched = o.vouched()
	paused := status.paused()
	order := make([]int, len(packs)) // the slice of packs is the caller's
	for i, p := range packs {
		o.Totals.add(p)
		if p.Paused != nil && !paused[p.Source] {
			o.Totals.Paused++
		}
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rank(packs[a]), rank(packs[b])) })
	if len(order) > maxRows && !r.URL.Query().Has("all") {
		order = order[:maxRows]
		o.Some = o.L.some(maxRows, len(packs))
	}
	for _, i := range order {
		o.Rows = append(o.Rows, o.row(packs[i], zones))
	}
	var attention []string
	for _, r := range o.Rows[:min(maxNamed, o.Totals.Attention)] {
		attention = append(attention, r.Label)
	}
	var sentences []string
	sentences, o.Details = o.troubles(status, o.Ledger, o.Totals)
	o.Look = len(sentences)+o.Totals.Attention > 0
	o.Totals.Doubt = o.Trouble != "" || len(status.down()) > 0
	o.Title = o.L.join(append(sentences, o.L.headline(o.Totals, attention)))
	o.Summary = o.L.join(append([]string{o.L.summary(o.Totals)}, o.known(status)...))
	if !o.Paused {
		// A header rather than an element, and with a way to stop it: a page that
		// changes under a screen reader's cursor is a nuisance.
		w.Header().Set("Refresh", "30")
	}
	s.render(w, http.StatusOK, "overview.html", o, o.L)
}

// known says how old it is what the page knows of the sinks and of verification.
func (p page) known(st Status) []string {
	relative := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return p.L.relativeTo(t, p.time)
	}
	return []string{p.L.reached(relative(st.reached())), p.L.verified(relative(st.Verified.Passed), st.Verified.total())}
}

// row returns the pack's row.
func (p page) row(pack Pack, zones zones) row {
	zone := zones.find(pack.TimeZone)
	r := row{
		Pack:      pack,
		Label:     cmp.Or(pack.Name, p.L.kinds[pack.kind()], pack.Key),
		Link:      p.Link(packPath(pack)),
		Mark:      mark(pack.State),
		Word:      p.L.state(pack.State),
		Attention: needsAttention(pack.State),
		Sealed:    p.L.timestamp(pack.LastSealed.Truncate(time.Minute), p.time, zone),
		Next:      p.L.timestamp(pack.NextDue, p.time, zone),
		LastGap:   p.L.timestamp(pack.LastGap, p.time, zone),
		Why:       p.L.reason(pack.LastReason),
		Hash:      pack.LastSHA256[:min(12, len(pack.LastSHA256))],
	}
	if pack.NextDue.IsZero() && pack.Until.Before(p.time) {
		r.Ended = p.L.timestamp(pack.Until, p.time, zone)
	}
	r.Sealed.Relative = p.L.relativeTo(pack.LastSealed, p.time)
	if pack.Paused != nil {
		r.Paused = p.L.timestamp(pack.Paused.Since, p.time, zone)
		r.Resumes = p.L.timestamp(pack.Paused.Until, p.time, zone)
	}
	if pack.LastSHA256 != "" {
		r.Size = size(pack.LastSize)
	}
	return r
}

// add counts a pack.
func (t *totals) add(p Pack) {
	t.Packs++
	if p.Counts == nil {
		t.Incomplete++
	} else {
		t.Reports += p.Counts.Sealed
		t.Gaps += p.Counts.Gaps
	}
	if p.Trouble != "" {
		t.Failing++
	}
	switch p.State {
	case StateSealed:
		t.Sealed++
	case StateWorking:
		t.Working++
	case StateWaiting:
		t.Waiting++
	case StateReading:
		t.Reading++
	case StateEnded:
		t.Ended++
	case StateDisabled:
		t.Disabled++
	default:
		t.Attention++
	}
}

// needsAttention reports whether a person should look at a pack in this state. So
// it is with a state that is unknown here: better one alarm too many.
func needsAttention(state string) bool {
	switch state {
	case StateSealed, StateWorking, StateWaiting, StateReading, StateEnded, StateDisabled:
		return false
	}
	return true
}

// rank orders packs: first those that need attention, then those with trouble,
// those in progress, the rest, and last those that are not scheduled.
func rank(p Pack) int {
	switch {
	case needsAttention(p.State):
		return 0
	case p.Trouble != "":
		return 1
	case p.State == StateWorking:
		return 2
	case p.State == StateEnded || p.State == StateDisabled:
		return 4
	}
	return 3
}

// mark returns the state if there is a shape for it, or "unknown".
func mark(state string) string {
	switch state {
	case StateSealed, StateGap, StateWorking, StateOverdue, StateWaiting, StateReading, StateEnded, StateDisabled:
		return state
	}
	return "unknown"
}
