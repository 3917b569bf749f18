// Package control is how verbs reach the daemon that runs on the same machine:
// HTTP on a socket in its state folder. The page is for whoever may look, and
// changes nothing; this is for whoever is the daemon's own user, or root, as
// nobody else can open the socket.
//
//	GET  /v1/queue?source=…&name=…&limit=…   lines of JSON, a [Line] each, the last one a total or an error
//	POST /v1/queue/pause                     an [Order]: [Outcome]s
//	POST /v1/queue/resume                    likewise
package control

import (
	"context"
	"net/http"

	"packseal.example/internal/fault"
	"packseal.example/scheduler/queue"
	"packseal.example/scheduler/replica"
)

// Queue is what the daemon does about its queue. Names are of sources and
// packs, as people write them. A name that is not known is fault.NotFound, and
// a daemon that is not at work yet fault.NotReady.
type Queue interface {
	List(ctx context.Context, s Selection) (*queue.Listing, error)
	Pause(ctx context.Context, o Order) ([]Outcome, error)
	Resume(ctx context.Context, o Order) ([]Outcome, error)
}

// Selection says what of the queue is wanted.
type Selection struct {
	Source string   // of this source; empty = of all
	Names  []string // of these packs; none = of all
	Limit  int      // so many slots at most; 0 = all
}

// Order says what is to be paused or resumed.
type Order struct {
	Names []string `json:"names"`
	By    string   `json:"by"`
	Why   string   `json:"why,omitempty"` // of a pause
}

// Outcome is what came of an order for one source or pack.
type Outcome struct {
	queue.Pause
	Changed bool `json:"changed"` // false: it was so before
}

// Line is one thing that there is to say of the queue; one field is set.
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

// Problem is an error on its way from the daemon to the verb.
type Problem struct {
	Message string       `json:"message"`
	Hint    string       `json:"hint,omitempty"`
	Reason  fault.Reason `json:"reason"`
}

func problem(err error) *Problem {
	return &Problem{Message: err.Error(), Hint: fault.Hint(err), Reason: fault.Of(err)}
}

// err is the error that it was, as far as others can tell.
func (p *Problem) err() error {
	e := fault.New(p.Reason, "%s", p.Message)
	e.Hint = p.Hint
	return e
}

// code is the status that goes with it.
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
