package anchor

import (
	"fmt"
	"time"

	"packseal.example/archive/ledger"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// maxOffset is how far this machine's clock may be from an authority's, beyond what the
// authority says of its own accuracy. Due times are in minutes.
const maxOffset = 30 * time.Second

// Status is how far one authority or witness has vouched for the ledger.
type Status struct {
	Witness  bool // else an authority
	Name     string
	Size     int64         // entries of the last checkpoint; 0 = none
	At       time.Time     // when, by their clock; zero = not yet
	Offset   time.Duration // of this machine's clock to the authority's, when it was last asked
	Asked    bool          // whether Offset is known
	Failures int           // of this process
	Err      error         // of the last attempt; nil = none failed
	Problem  *ledger.Problem
}

// Status returns that of each, authorities first, in the order of Options.
func (a *Anchors) Status() []Status {
	all := make([]Status, len(a.all))
	for i, one := range a.all {
		all[i] = one.shown()
	}
	return all
}

// Show adds the status of each, and what is wrong, to that of the ledger.
func (a *Anchors) Show(to *evidence.LedgerStatus) {
	for _, s := range a.Status() {
		one := evidence.LedgerAnchor{Name: s.Name, Size: s.Size, At: s.At}
		if s.Asked {
			seconds := int64(s.Offset.Round(time.Second) / time.Second)
			one.Offset = &seconds
		}
		if s.Err != nil {
			one.Error, one.Hint = s.Err.Error(), fault.Hint(s.Err)
		}
		if s.Problem != nil {
			to.Problems = append(to.Problems, s.Problem.Show())
		}
		if s.Witness {
			to.Witnesses = append(to.Witnesses, one)
		} else {
			to.Stamps = append(to.Stamps, one)
		}
	}
}

func (a *anchor) shown() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.status
}

// succeeded notes that a checkpoint is vouched for. What was altered of those before it
// does not matter any more.
func (a *anchor) succeeded(c ledger.Latest, v vouched) {
	a.mu.Lock()
	s := &a.status
	s.Size, s.At, s.Err = c.Checkpoint.Size, v.at, nil
	if v.asked {
		s.Offset, s.Asked = v.offset, true
	}
	a.mu.Unlock()
	if v.planted != nil {
		a.note(v.planted)
	} else if v.asked && v.offset.Abs() > maxOffset+v.accuracy {
		a.note(&ledger.Problem{Kind: ledger.ClockOffset, Key: a.key(c.N), Detail: fmt.Sprintf("this machine's clock is %s that of authority %s", apart(v.offset), a.name())})
	} else {
		a.note(nil)
	}
}

// apart tells a clock's offset.
func apart(d time.Duration) string {
	if d < 0 {
		return (-d).Round(time.Second).String() + " behind"
	}
	return d.Round(time.Second).String() + " ahead of"
}

func (a *anchor) failed(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status.Failures++
	a.status.Err = err
}

// note sets what is wrong; nil = nothing is. It logs a problem once while it lasts.
func (a *anchor) note(p *ledger.Problem) {
	a.mu.Lock()
	before := a.status.Problem
	a.status.Problem = p
	a.mu.Unlock()
	if p != nil && (before == nil || before.Kind != p.Kind) {
		a.log.Error("ledger problem", "problem", p.Kind, "sink", p.Sink, "key", p.Key, "detail", p.Detail)
	}
}
