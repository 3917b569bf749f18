package sink

import (
	"context"
	"io"
	"iter"

	"packseal.example/internal/fault"
)

// Retrying returns a Sink that calls s up to tries times as long as it fails
// with a transient error.
func Retrying(s Sink, b fault.Backoff, tries int) Sink { return retrying{s, b, tries} }

// retrying repeats only what can be repeated: Put is idempotent by the contract,
// an Open that fails has returned no bytes yet, and List yields nothing twice.
type retrying struct {
	sink    Sink
	backoff fault.Backoff
	tries   int
}

// Put implements [Sink]. A repeated Put also succeeds if the first one stored
// the object and only its response was lost.
func (r retrying) Put(ctx context.Context, key string, c Content) error {
	return fault.Retry(ctx, r.tries, r.backoff, func() error { return r.sink.Put(ctx, key, c) })
}

// Open implements [Sink]. Reads of the object are not retried: only the caller
// knows what it has done with the bytes so far.
func (r retrying) Open(ctx context.Context, key string) (rc io.ReadCloser, err error) {
	err = fault.Retry(ctx, r.tries, r.backoff, func() (err error) {
		rc, err = r.sink.Open(ctx, key)
		return err
	})
	return rc, err
}

// List implements [Sink]. A retry begins anew and leaves out what was yielded: of
// a store that does not list in byte order, the last key does not tell what that
// is.
func (r retrying) List(ctx context.Context, prefix, after string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		yielded := make(map[string]struct{})
		err := fault.Retry(ctx, r.tries, r.backoff, func() error {
			for e, err := range r.sink.List(ctx, prefix, after) {
				if err != nil {
					return err
				}
				if _, ok := yielded[e.Key]; ok {
					continue
				}
				if yielded[e.Key] = struct{}{}; !yield(e, nil) {
					return nil
				}
			}
			return nil
		})
		if err != nil {
			yield(Entry{}, err)
		}
	}
}
