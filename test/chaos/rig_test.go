//go:build chaos

// Package chaos breaks packseal on purpose and looks at what is left. It runs
// the program as its users do, as a process of its own, and reads the archive
// as an auditor would, by none of the program's code: only the simulated
// Config API is shared.
//
// A test says what must hold, by the archive, the API and the fields of log
// records, never by the words of a message; and where time is not what it is
// about, it waits for much longer than a machine at rest needs.
//
// PACKSEAL_ROUNDS sets how often what is random is tried.
package chaos

import (
	"cmp"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

func TestMain(m *testing.M) {
	lab.Parallel(8)
	os.Exit(lab.Main(m))
}

// rounds is how often something random is tried.
func rounds(t *testing.T, standard int) int {
	t.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv("PACKSEAL_ROUNDS"), strconv.Itoa(standard)))
	if err != nil || n < 1 {
		t.Fatalf("PACKSEAL_ROUNDS: %q is not a number of rounds", os.Getenv("PACKSEAL_ROUNDS"))
	}
	return n
}

// rig is a lab whose API tells a test what it is asked for, and can be broken.
type rig struct {
	*lab.Lab
	t         *testing.T
	archive   string // where its reports can be read
	unwatched bool   // that this can't be done at any time
	step      atomic.Pointer[func(string)]
	broken    atomic.Pointer[http.HandlerFunc] // answers instead of the API, while set
}

// newRig makes a rig whose API has these packs.
func newRig(t *testing.T, packs []sim.Pack) *rig {
	t.Helper()
	r := &rig{t: t}
	r.Lab = lab.Open(t, lab.Options{Options: sim.Options{Packs: packs}, Wrap: func(http.Handler) http.Handler { return r }})
	r.archive = r.Path("archive")
	return r
}

// polls are short waits for a report.
const polls = "poll_min: 100ms, poll_max: 500ms, "

// yearly is a schedule whose one slot of the year is due and waits to be made
// up for.
const yearly = `schedule: "0 0 1 1 *", catch_up: 8784h, timeout: 5m`

// configure writes the configuration. A pack is an ID, with more settings after
// it if need be. Calls and downloads that stall are given up soon, unless the
// test says otherwise.
func (r *rig) configure(s lab.Setup) {
	r.t.Helper()
	s.Source = cmp.Or(s.Source, "requests_per_second: 200, request_timeout: 2s")
	s.Defaults = cmp.Or(s.Defaults, yearly)
	s.Fetch = cmp.Or(s.Fetch, polls+"stall_after: 2s")
	s.Log = "level: debug"
	s.Packs = slices.Clone(s.Packs)
	for i, p := range s.Packs {
		s.Packs[i] = "{id: " + p + "}"
	}
	r.Configure(s)
}

// The steps of a report's journey that the API sees.
const (
	stepStart    = "start"    // the process has begun
	stepLook     = "look"     // it looks at the report before, or whether it is made
	stepAsk      = "ask"      // it asks for a report
	stepAsked    = "asked"    // and has its answer
	stepDownload = "download" // the first bytes of a report are sent
	stepWhole    = "whole"    // the last are
)

// ServeHTTP hands a call to the API and tells the test about it.
func (r *rig) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if broken := r.broken.Load(); broken != nil {
		(*broken)(w, q)
		return
	}
	r.serve(w, q)
}

// serve is the API when nothing is broken.
func (r *rig) serve(w http.ResponseWriter, q *http.Request) {
	before, after := stepLook, ""
	switch action := q.Header.Get("X-Acs-Action"); {
	case q.URL.Path != "/":
		before, after = stepDownload, stepWhole
	case strings.HasPrefix(action, "Generate"):
		before, after = stepAsk, stepAsked
	}
	r.reached(before)
	r.Server.ServeHTTP(w, q)
	r.reached(after)
}

// reached tells the test of a step.
func (r *rig) reached(step string) {
	if f := r.step.Load(); f != nil {
		(*f)(step)
	}
}
