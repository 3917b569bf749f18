package ledger

import (
	"cmp"
	"context"
	"iter"
	"strings"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// million is where the order of names and that of numbers part: x001/x000/000 comes
// before x002/000.
const million = 1_000_000

// soon is how many numbers before a million those after it are listed, too.
const soon = 10_000

// ListFrom lists what a sink has in a folder of the ledger that is by numbers, such as
// [tree.BatchDir], from number n on. It may yield some of before.
func ListFrom(ctx context.Context, s sink.Sink, dir string, n int64) iter.Seq2[sink.Entry, error] {
	return func(yield func(sink.Entry, error) bool) {
		stopped := false
		list := func(prefix, after string) {
			for e, err := range s.List(ctx, prefix, after) {
				if stopped = !yield(e, err); stopped {
					return
				}
			}
		}
		after := ""
		if n > 0 && ofMillion(n) == ofMillion(n-1) {
			after = dir + tree.Number(n-1)
		}
		list(dir+ofMillion(n), after)
		if next := n + soon; n > 0 && next/million > n/million && !stopped {
			list(dir+ofMillion(next), "")
		}
	}
}

// ofMillion returns what the names of all numbers of the same million begin with: nothing
// for the first one, and for that of 2,345,678 x002/x.
func ofMillion(n int64) string {
	if n < million {
		return ""
	}
	name := tree.Number(n / 1000)   // x002/345
	return name[:len(name)-3] + "x" // x002/x
}

// read is [read] for what the ledger goes on from. An object that is there, and that the
// sink does not give away, is a problem: it may be a batch, so nothing can be signed.
func (c *commit) read(ctx context.Context, t Target, key string) (raw []byte, ok bool, err error) {
	raw, ok, err = read(ctx, t, key)
	if withheld(ctx, t, key, err) {
		c.found(Unreadable, t, key, "%v", err)
		err = unreadable(key, err)
	}
	return raw, ok, err
}

// withheld reports whether an error is of an object that is there, and that the sink does
// not give away: it lies in an archive tier, its key of encryption is somebody else's, or
// reading it is not permitted.
func withheld(ctx context.Context, t Target, key string, err error) bool {
	switch fault.Of(err) {
	case fault.NotRestored:
		return true
	case fault.SinkDenied:
		e, err := listed(ctx, t, key)
		return err == nil && e.Key == key
	}
	return false
}

// listed returns what a sink lists of an object; the zero Entry if that is nothing.
func listed(ctx context.Context, t Target, key string) (sink.Entry, error) {
	for e, err := range t.List(ctx, key, "") {
		if err != nil || e.Key == key {
			return e, err
		}
	}
	return sink.Entry{}, nil
}

// unreadable tells what to do about an object that can't be read.
func unreadable(key string, err error) error {
	return fault.New(fault.Of(err), "nothing is signed, since %s is there and can't be read, and may be the ledger's: %w", key, err).
		WithHint("%s; see docs/ledger.md#unreadable", strings.TrimSuffix(cmp.Or(fault.Hint(err), "make it readable"), "."))
}
