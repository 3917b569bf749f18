package sink

import (
	"context"
	"fmt"
	"time"

	"packseal.example/internal/fault"
)

// Historian is implemented by a backend whose storage can keep what was deleted.
type Historian interface {
	// Deletions returns the keys that begin with prefix and hold nothing any more
	// because their objects were deleted, as far as the storage keeps and shows
	// that: none if it does not. Keys are as in List.
	Deletions(ctx context.Context, prefix string) ([]Deletion, error)
}

// Deletion is a key whose object was deleted.
type Deletion struct {
	Key     string
	At      time.Time // by the clock of the storage; zero if it does not say
	Version string    // the latest that is still there; empty if none is known
	Size    int64     // of that, in bytes
	Stored  time.Time // when that was, by the clock of the storage; zero if none is known
}

// String tells what is so.
func (d Deletion) String() string {
	s := d.Key + " was deleted"
	if !d.At.IsZero() {
		s += " at " + d.At.UTC().Format(time.RFC3339)
	}
	if d.Version == "" {
		return s + "; no version of it is known to be there"
	}
	return s + fmt.Sprintf("; the version %.64q of %d bytes is still there", d.Version, d.Size)
}

// Err returns the classified error for whoever wants to read or write the key.
func (d Deletion) Err() error {
	return fault.New(fault.Deleted, "%s", d).
		WithHint("remove the delete marker to have the object back (docs/runbook.md#deleted); nothing is written in its place")
}

// Deletions calls the method of a [Historian]. Other sinks keep nothing that was
// deleted.
func Deletions(ctx context.Context, s Sink, prefix string) ([]Deletion, error) {
	if h, ok := s.(Historian); ok {
		return h.Deletions(ctx, prefix)
	}
	return nil, nil
}

// Deletions implements [Historian].
func (r retrying) Deletions(ctx context.Context, prefix string) (ds []Deletion, err error) {
	err = fault.Retry(ctx, r.tries, r.backoff, func() (err error) {
		ds, err = Deletions(ctx, r.sink, prefix)
		return err
	})
	return ds, err
}

// Deletions implements [Historian]. It counts as a list.
func (m measured) Deletions(ctx context.Context, prefix string) ([]Deletion, error) {
	if _, ok := m.sink.(Historian); !ok {
		return nil, nil
	}
	start := time.Now()
	ds, err := Deletions(ctx, m.sink, prefix)
	m.done(opList, prefix, time.Since(start), err)
	return ds, err
}

// Deletions implements [Historian].
func (t traced) Deletions(ctx context.Context, prefix string) ([]Deletion, error) {
	return Deletions(ctx, t.sink, prefix)
}
