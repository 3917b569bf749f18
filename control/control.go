// Package control is how verbs ask the daemon that runs on the same machine: HTTP
// on a socket in its state folder. Only the daemon's own user and root can open
// the socket. The page is for everybody who may look, and changes nothing.
//
//	GET  /v1/queue?source=…&name=…&limit=…   lines of JSON, a [Line] each, the last one a total or an error
//	POST /v1/queue/pause                     an [Order]: [Outcome]s
//	POST /v1/queue/resume                    likewise
//	GET  /v1/records?source=…&pack=…         lines of JSON, a [RecordLine] each, the last one an end or an error;
//	     &from=…&to=…&state=…&oldest&limit=… times in RFC 3339
//	GET  /v1/seen                            likewise, of slot and state alone
//	POST /v1/settled                         a slot, which somebody else has settled: {}
//	GET  /v1/status                          a [Status]
//	POST /v1/reload                          {}: {}, once the configuration is in force
//	GET  /v1/packs?source=…                  the packs that sources have, [SourcePacks] each
//	POST /v1/packs                           a [Listing]: likewise, listed anew
package control

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"time"

	"packseal.example/archive/catalog"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler/queue"
	"packseal.example/scheduler/replica"
)

// Daemon is what the socket's server asks.
type Daemon interface {
	Queue
	Catalog
	Operator
}

// Operator is the daemon itself.
type Operator interface {
	// Status says how the daemon is doing. It works while the daemon is starting.
	Status(ctx context.Context) Status

	// Reload loads the configuration anew, and returns once it is in force. A file
	// that is not valid is fault.Request; the old one then stays in force.
	Reload(ctx context.Context) error

	// Packs returns the packs that a source has, or, with none named, those of each
	// source, as they were listed last, or anew. A source that is not known is
	// fault.NotFound. What could not be listed is among the troubles.
	Packs(ctx context.Context, source string, refresh bool) ([]SourcePacks, error)
}

// Status is how a daemon is doing.
type Status struct {
	Version     string         `json:"version"`
	PID         int            `json:"pid"`
	Started     time.Time      `json:"started"`
	Ready       bool           `json:"ready"`
	Trouble     *Problem       `json:"trouble,omitempty"`             // why it is not ready
	Refused     bool           `json:"config_refused"`                // the configuration file was changed and is not valid; the old one is in force
	RefusedAt   time.Time      `json:"config_refused_at,omitzero"`    // when that was found; this and the next two: of a configuration that is refused
	RefusedWhy  string         `json:"config_refused_why,omitempty"`  // the first fault
	RefusedHint string         `json:"config_refused_hint,omitempty"` // what to do about it
	Packs       map[string]int `json:"packs"`                         // by state, as the page has them
	NotKept     int            `json:"not_kept"`                      // packs that exist, and that neither the configuration nor a rule names
	Unlisted    []Unlisted     `json:"unlisted,omitempty"`            // sources and accounts that rules need a listing of, and that can't be listed
	Next        *evidence.Slot `json:"next,omitempty"`                // that falls due next
	NextName    string         `json:"next_name,omitempty"`           // what people call its pack
	NextZone    string         `json:"next_time_zone,omitempty"`      // the pack's
	Down        []DownSink     `json:"sinks_down"`                    // sinks that can't be used
	Spooled     int            `json:"spooled"`                       // reports that wait for a sink
	Full        bool           `json:"spool_full"`                    // too little room for another report
	Pauses      []queue.Pause  `json:"pauses"`                        // in force
	Verified    time.Time      `json:"verified,omitzero"`             // when a verification last read everything and found no problem
	Problems    map[string]int `json:"problems"`                      // that the last verification found, by kind
	Repaired    int            `json:"repaired,omitempty"`            // objects that it copied to sinks that lacked them
	AllRead     time.Time      `json:"all_reports_since,omitzero"`    // since when every report that was kept then has been read back

	Ledger *evidence.LedgerStatus `json:"ledger,omitempty"` // nil = none is configured
}

// DownSink is a sink that can't be used.
type DownSink struct {
	Sink  string    `json:"sink"`
	Since time.Time `json:"since"`
	Why   string    `json:"why"` // the last error
}

// Unlisted is a source whose packs, or accounts, could not be listed last.
type Unlisted struct {
	Source      string `json:"source"`
	AccountName string `json:"account_name,omitempty"` // of the member account that the source stands for
	Why         string `json:"why"`
}

// Queue lists and pauses the queue. Names are of sources and packs, as people
// write them. A name that is not known is fault.NotFound; a daemon that is
// starting is fault.NotReady.
type Queue interface {
	List(ctx context.Context, s Selection) (*queue.Listing, error)
	Pause(ctx context.Context, o Order) ([]Outcome, error)
	Resume(ctx context.Context, o Order) ([]Outcome, error)
}

// Catalog is what the daemon knows of the archive.
type Catalog interface {
	// Records yields the records that the query selects. A record that can't be
	// read is yielded as its slot beside the error; an error without a slot is the
	// last. A history that is still being read is fault.NotReady, a pack that is
	// not configured fault.NotFound.
	Records(ctx context.Context, q catalog.Query) iter.Seq2[evidence.Record, error]

	// Seen yields each slot that was seen in the archive.
	Seen(ctx context.Context) iter.Seq2[catalog.Listed, error]

	// Settled has the daemon read the record of a slot that another process has
	// settled, and count it.
	Settled(ctx context.Context, s evidence.Slot) error
}

// ErrNoDaemon is the error of a [Client] where no daemon serves the socket.
var ErrNoDaemon = errors.New("no daemon runs")

// Selection selects slots of the queue.
type Selection struct {
	Source string   // empty = all sources
	Names  []string // of packs; none = all
	Limit  int      // the most slots to list; 0 = all
}

// Order names what to pause or resume.
type Order struct {
	Names []string `json:"names"`
	By    string   `json:"by"`
	Why   string   `json:"why,omitempty"` // of a pause

	For time.Duration `json:"for,omitempty"` // how long a pause lasts, in nanoseconds; 0 = until it is resumed
}

// Outcome is the result of an order for one source or pack.
type Outcome struct {
	queue.Pause
	Changed bool `json:"changed"` // false: it was so before
}

// Line is one line of a queue's listing; one field is set.
type Line struct {
	Pause  *queue.Pause    `json:"pause,omitempty"`
	Member *replica.Member `json:"member,omitempty"`
	Slot   *queue.Listed   `json:"slot,omitempty"`
	Total  *Total          `json:"total,omitempty"` // the last line of a listing that is whole
	Error  *Problem        `json:"error,omitempty"` // the last line of one that is not
}

// Total counts what was selected.
type Total struct {
	States map[queue.State]int `json:"states"`
	Listed int                 `json:"listed"` // slots
	More   int                 `json:"more"`   // slots that a limit left out
}

// RecordLine is one line of records. A listing is complete if its last line is
// the end.
type RecordLine struct {
	Record *evidence.Record `json:"record,omitempty"`
	Error  *Problem         `json:"error,omitempty"` // beside a record: that it can't be read; alone: the last line
	End    bool             `json:"end,omitempty"`
}

// Problem is an error on its way from the daemon to the verb.
type Problem struct {
	Message string       `json:"message"`
	Hint    string       `json:"hint,omitempty"`
	Reason  fault.Reason `json:"reason"`
}

// NewProblem returns an error as it is sent.
func NewProblem(err error) *Problem {
	return &Problem{Message: err.Error(), Hint: fault.Hint(err), Reason: fault.Of(err)}
}

// Err is the error, with its reason and hint.
func (p *Problem) Err() error {
	e := fault.New(p.Reason, "%s", p.Message)
	e.Hint = p.Hint
	return e
}

// code is the HTTP status of the problem.
func (p *Problem) code() int {
	switch {
	case p.Reason == fault.NotFound:
		return http.StatusNotFound
	case p.Reason == fault.Request:
		return http.StatusBadRequest
	case p.Reason.Transient():
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
