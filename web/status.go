package web

import (
	"net/http"
	"strings"
	"time"

	"packseal.example/internal/evidence"
)

// verifyEvery is how old the last verification that passed may be before the page
// says so. The rule PacksealVerifyOverdue has the same age.
const verifyEvery = 8 * 24 * time.Hour

// Status is what is known of that which all packs share.
type Status struct {
	Sinks    []Sink         `json:"sinks"`
	Spool    Spool          `json:"spool"`
	Paused   []PausedSource `json:"paused_sources,omitempty"`
	Verified Verified       `json:"verified"`
	Listed   []Listed       `json:"listed,omitempty"`
	Refused  *Refusal       `json:"config_refused,omitempty"` // nil while the configuration file is in force
}

// Refusal says that a changed configuration is not in force, but the one from before.
type Refusal struct {
	At   time.Time `json:"at"`
	Why  string    `json:"why"` // the first fault
	Hint string    `json:"hint,omitempty"`
}

// Listed is what a listing of a source's packs has shown.
type Listed struct {
	Source  string       `json:"source"`
	Account string       `json:"account,omitempty"` // the name of the member account that the source stands for
	At      time.Time    `json:"at,omitzero"`       // when everything was last listed; zero = never
	Packs   int          `json:"packs"`             // that the source has
	NotKept int          `json:"not_kept"`          // of these, packs that neither the configuration nor a rule names
	Some    []ListedPack `json:"some,omitempty"`    // the first of those
	Why     string       `json:"why,omitempty"`     // why not everything could be listed last, of a source that discovers packs
}

// name is the source, with the name of its account if it stands for one.
func (l Listed) name() string {
	if l.Account != "" {
		return l.Source + " (" + l.Account + ")"
	}
	return l.Source
}

// ListedPack is a pack that a source has.
type ListedPack struct {
	Key  string `json:"pack"` // "cp-…" or "ca-…/cp-…"
	Name string `json:"name,omitempty"`
}

// notKept returns how many packs are not kept.
func (st Status) notKept() (n int) {
	for _, l := range st.Listed {
		n += l.NotKept
	}
	return n
}

// unlisted returns the names of the sources whose packs could not be listed.
func (st Status) unlisted() (names []string) {
	for _, l := range st.Listed {
		if l.Why != "" {
			names = append(names, l.Source)
		}
	}
	return names
}

// Sink is how a sink answers this process.
type Sink struct {
	Name    string    `json:"sink"`
	Reached time.Time `json:"reached,omitzero"` // when it last answered; zero = not yet
	Down    time.Time `json:"down,omitzero"`    // since when it can't be used; zero = it can, or was not asked yet
	Why     string    `json:"why,omitempty"`    // the last error
}

// Spool is where reports wait for the sinks.
type Spool struct {
	Reports int   `json:"reports"` // that a sink lacks
	Bytes   int64 `json:"bytes"`   // their size
	Free    int64 `json:"free"`    // bytes left on its file system; -1 = not known
	Full    bool  `json:"full"`    // too little for another report
}

// PausedSource is a source that is paused as a whole.
type PausedSource struct {
	Source string `json:"source"`
	Pause
}

// Verified is what packseal verify last found.
type Verified struct {
	Passed   time.Time      `json:"passed,omitzero"`            // when it last read everything and found no problem; zero = never
	Problems map[string]int `json:"problems,omitempty"`         // of the last run that read everything, by kind
	Repaired int            `json:"repaired,omitempty"`         // objects that the last run copied to sinks that lacked them
	AllRead  time.Time      `json:"all_reports_since,omitzero"` // since when every report that was kept then has been read back; zero = not yet
}

// total counts the problems.
func (v Verified) total() (n int) {
	for _, of := range v.Problems {
		n += of
	}
	return n
}

// statusAnswer is the response of /api/v1/status.
type statusAnswer struct {
	Ready bool   `json:"ready"`
	Why   string `json:"why,omitempty"` // why it is not ready
	Hint  string `json:"hint,omitempty"`
	Status
}

func (s *Server) serveStatus(w http.ResponseWriter, r *http.Request) {
	p := s.newPage(r)
	s.respond(w, http.StatusOK, statusAnswer{p.Trouble == "", p.Trouble, p.Hint, s.opts.Status()})
}

// down returns the names of the sinks that can't be used.
func (st Status) down() (names []string) {
	for _, sink := range st.Sinks {
		if !sink.Down.IsZero() {
			names = append(names, sink.Name)
		}
	}
	return names
}

// paused returns the names of the paused sources.
func (st Status) paused() map[string]bool {
	names := make(map[string]bool, len(st.Paused))
	for _, p := range st.Paused {
		names[p.Source] = true
	}
	return names
}

// pauses returns the paused sources but for member accounts that are paused with the
// source which lists them: there may be thousands.
func (st Status) pauses() (own []PausedSource) {
	of := make(map[string]Pause)
	for _, p := range st.Paused {
		of[p.Source] = p.Pause
	}
	for _, p := range st.Paused {
		parent, _, member := evidence.SplitMember(p.Source)
		if with, ok := of[parent]; !member || !ok || with != p.Pause {
			own = append(own, p)
		}
	}
	return own
}

// reached returns when the sink that has been silent for longest last answered;
// zero if one has not answered yet.
func (st Status) reached() (t time.Time) {
	for i, sink := range st.Sinks {
		if i == 0 || sink.Reached.Before(t) {
			t = sink.Reached
		}
	}
	return t
}

// stale returns for how many days no verification has passed, if that is too
// many. Of an archive that was never verified nobody knows for how long.
func (st Status) stale(now time.Time) (days int) {
	if age := now.Sub(st.Verified.Passed); !st.Verified.Passed.IsZero() && age > verifyEvery {
		return int(age / (24 * time.Hour))
	}
	return 0
}

// trouble is one thing that is wrong with what all packs share, with its details.
type trouble struct {
	Text         string
	Since, Until timestamp
	Why          string
}

// troubles returns the sentences that the headline begins with, the most urgent
// one first, and the details that the page lists below it.
func (p page) troubles(st Status, ledger *evidence.LedgerStatus, t totals) (sentences []string, list []trouble) {
	say := func(ok bool, text string) {
		if ok {
			sentences = append(sentences, text)
		}
	}
	down, days, problems := st.down(), st.stale(p.time), st.Verified.total()
	pauses, paused := st.pauses(), []string(nil)
	for _, pause := range pauses {
		paused = append(paused, pause.Source)
	}
	say(p.Trouble != "", p.L.notReady)
	say(st.Refused != nil, p.L.refused)
	say(len(down) > 0, p.L.sinksDown(down, len(st.Sinks)))
	say(st.Spool.Full, p.L.spoolFull)
	sentences = append(sentences, p.ledgerTroubles(ledger, st.Verified)...)
	say(problems > 0, p.L.problems(problems))
	say(problems == 0 && days > 0, p.L.stale(days))
	say(len(paused) > 0, p.L.sourcesPaused(paused))
	say(t.Paused > 0, p.L.packsPaused(t.Paused))
	notKept, unlisted := st.notKept(), st.unlisted()
	say(len(unlisted) > 0, p.L.notListed(unlisted))
	say(notKept > 0, p.L.notKept(notKept))
	if no := st.Refused; no != nil {
		list = append(list, trouble{Text: p.L.refusedSince, Since: p.L.timestamp(no.At, p.time, p.zone), Why: strings.TrimSpace(no.Why + "\n" + no.Hint)})
	}
	for _, sink := range st.Sinks {
		if !sink.Down.IsZero() {
			list = append(list, trouble{Text: p.L.sinkDown(sink.Name), Since: p.L.timestamp(sink.Down, p.time, p.zone), Why: sink.Why})
		}
	}
	if st.Spool.Full {
		list = append(list, trouble{Text: p.L.spoolLeft(size(st.Spool.Free), st.Spool.Reports)})
	}
	for _, pause := range pauses {
		list = append(list, trouble{
			Text: p.L.sourcePaused(pause.Source), Since: p.L.timestamp(pause.Since, p.time, p.zone),
			Until: p.L.timestamp(pause.Until, p.time, p.zone), Why: pause.By + ": " + pause.Why,
		})
	}
	return sentences, append(list, p.listed(st)...)
}

// maxNames is how many names a sentence has: accounts may be thousands.
const maxNames = 8

// maxListed is how many details of listings are shown.
const maxListed = 50

// listed returns the details of what listings of packs have shown.
func (p page) listed(st Status) (list []trouble) {
	for _, l := range st.Listed {
		if len(list) >= maxListed {
			break
		}
		if l.Why != "" {
			list = append(list, trouble{Text: p.L.sourceNotListed(l.name(), !l.At.IsZero()), Since: p.L.timestamp(l.At, p.time, p.zone), Why: l.Why})
		}
		var names []string
		for _, pack := range l.Some {
			name := pack.Key
			if pack.Name != "" {
				name = pack.Name + " (" + pack.Key + ")"
			}
			names = append(names, name)
		}
		if len(names) > 0 {
			list = append(list, trouble{Text: p.L.sourceNotKept(l.name(), l.NotKept), Why: p.L.names(names, l.NotKept)})
		}
	}
	return list
}
