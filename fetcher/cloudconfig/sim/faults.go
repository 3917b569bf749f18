package sim

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// faults are the pending faults of a script, in its order. Several clients of a
// pack share them.
type faults struct {
	mu       sync.Mutex
	failures []Failure // Times is how often each is still pending
	body     BodyFault // likewise
}

func newFaults(s Script) *faults {
	f := &faults{failures: slices.Clone(s.Failures), body: s.Body}
	for i := range f.failures {
		f.failures[i].Times = max(1, f.failures[i].Times)
	}
	if s.Throttles > 0 {
		f.failures = slices.Insert(f.failures, 0, Failure{Code: "Throttling.User", Times: s.Throttles})
	}
	f.body.Times = max(1, f.body.Times)
	f.body.Pause = cmp.Or(f.body.Pause, time.Second)
	return f
}

// next takes the next failure for the call, if any.
func (f *faults) next(call string) (Failure, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.failures {
		due := &f.failures[i]
		if due.Times > 0 && (due.Call == call || due.Call == "" && call != Download) {
			due.Times--
			return *due, true
		}
	}
	return Failure{}, false
}

// nextBody takes the fault for a download. Its Kind is empty if there is none.
func (f *faults) nextBody() BodyFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.body.Kind == "" || f.body.Times == 0 {
		return BodyFault{}
	}
	f.body.Times--
	return f.body
}

// silent reports whether the failure is a closed connection.
func (f Failure) silent() bool { return f.Status == 0 && f.Code == "" && f.Body == "" }

// wait waits for d, or until the client disconnects.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// page responds with the failure's body, like a proxy.
func (f Failure) page(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(cmp.Or(f.Status, http.StatusOK))
	io.WriteString(w, f.Body) //nolint:errcheck // the client has gone
}
