package web

import (
	"net/http"
	"strings"

	"golang.org/x/text/language"

	"packseal.example/internal/fault"
)

// words are what the page says in one language. Exported fields are read by
// the templates. Sentences that depend on numbers are functions, because
// languages differ in more than words.
type words struct {
	Tag    string // the language, for the lang attribute and ?lang=
	Name   string // its name for its own readers
	Switch *words // the other language

	Tagline, Skip, Language, Packs, All, History     string
	Pack, State, LastSealed, NextDue, Sealed, Gaps   string
	Report, Schedule, Due, Settled, After, Outcome   string
	NotReady, LastTry, Never, Paused                 string
	AsOf, Refreshes, Pause, Resume, Older, Newest    string
	Metrics, API, NoSlots, Incomplete, NotFound, Bad string

	states  map[string]string
	unknown string // a state that is none of states
	reasons map[fault.Reason]string

	now      string
	relative func(n int, u unit, past bool) string
	headline func(c counts, look []string) string
	summary  func(c counts) string
	some     func(shown, all int) string
}

// state names a state.
func (w *words) state(name string) string {
	if text, ok := w.states[name]; ok {
		return text
	}
	return w.unknown
}

// reason says in a sentence what a reason means. A reason that this version
// does not know stands for itself.
func (w *words) reason(r fault.Reason) string {
	if text, ok := w.reasons[r]; ok {
		return text
	}
	return string(r)
}

// languages chooses between the two that there are.
type languages struct {
	words   []*words // in the matcher's order; the first is the default
	matcher language.Matcher
}

func newLanguages() languages {
	en, zh := english(), chinese()
	en.Switch, zh.Switch = zh, en
	return languages{[]*words{en, zh}, language.NewMatcher([]language.Tag{language.English, language.Chinese})}
}

// choose picks the language that was asked for by ?lang=, or that the browser
// prefers.
func (l languages) choose(r *http.Request) *words {
	accept := strings.Join(r.Header.Values("Accept-Language"), ",")
	_, i := language.MatchStrings(l.matcher, r.URL.Query().Get("lang"), accept)
	return l.words[i]
}
