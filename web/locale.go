package web

import (
	"net/http"
	"strings"

	"golang.org/x/text/language"

	"packseal.example/internal/fault"
)

// locale is the page's text in one language. Templates read the exported fields.
// Sentences with numbers are functions, because languages differ in more than
// words.
type locale struct {
	Tag    string  // the language, for the lang attribute and ?lang=
	Name   string  // the language's own name
	Switch *locale // the other language

	Tagline, Skip, Language, Packs, All, History             string
	Pack, State, LastSealed, NextDue, EndedOn, Sealed, Gaps  string
	Sinks                                                    string
	Report, Schedule, Due, Settled, After, Imported, Outcome string
	NotReady, LastTry, Never, Paused, Reading, Until, Labels string
	AsOf, Refreshes, Pause, Resume, Older, Newest            string
	Metrics, API, NoSlots, Incomplete, NotFound, Bad         string
	StillReading, AckedBy, AckedUntil, Ledger, LedgerError   string
	LedgerProblem, Stamped, Cosigned, Pruned                 string
	Statement, NoStatement                                   string

	states  map[string]string
	unknown string            // any other state
	kinds   map[string]string // names of packs that have none, by kind; of others, that is the key
	reasons map[fault.Reason]string

	join     func(sentences []string) string
	now      string
	relative func(n int, u unit, past bool) string
	headline func(t totals, attention []string) string
	summary  func(t totals) string
	some     func(shown, all int) string

	// Of what all packs share: sentences, and the beginnings of their details.
	notReady, spoolFull    string
	refused, refusedSince  string
	sinksDown              func(names []string, all int) string
	sinkDown, sourcePaused func(name string) string
	spoolLeft              func(free string, reports int) string
	problems, stale        func(n int) string // problems, days
	ledgerForked           string
	ledgerTampered         string
	ledgerDiffers          func(n int) string // records
	ledgerStalled          func(n int) string // entries
	sourcesPaused          func(names []string) string
	packsPaused, notKept   func(n int) string
	notListed              func(sources []string) string
	sourceNotListed        func(source string, ever bool) string // ever: its last listing follows
	sourceNotKept          func(source string, n int) string
	names                  func(some []string, all int) string    // the first of all
	reached                func(when string) string               // how long ago the sinks were last reached; "" = not yet
	verified               func(when string, problems int) string // "" = never
}

// state returns the name of a state.
func (l *locale) state(name string) string {
	if text, ok := l.states[name]; ok {
		return text
	}
	return l.unknown
}

// reason returns what a reason means, in a sentence. A reason that this version
// does not know is returned as it is.
func (l *locale) reason(r fault.Reason) string {
	if text, ok := l.reasons[r]; ok {
		return text
	}
	return string(r)
}

// locales are the languages that the page has.
type locales struct {
	all     []*locale // in the matcher's order; the first is the default
	matcher language.Matcher
}

func newLocales() locales {
	en, zh := english(), chinese()
	en.Switch, zh.Switch = zh, en
	return locales{[]*locale{en, zh}, language.NewMatcher([]language.Tag{language.English, language.Chinese})}
}

// choose returns the language that ?lang= asks for, or else the one that the
// browser prefers.
func (l locales) choose(r *http.Request) *locale {
	accept := strings.Join(r.Header.Values("Accept-Language"), ",")
	_, i := language.MatchStrings(l.matcher, r.URL.Query().Get("lang"), accept)
	return l.all[i]
}
