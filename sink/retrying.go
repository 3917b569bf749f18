package sink

import (
	"context"
	"io"
	"iter"

	"packseal.example/internal/fault"
)

// Retrying makes a Sink that calls s again, up to tries times in all, when it
// fails in a way that passes by itself.
func Retrying(s Sink, b fault.Backoff, tries int) Sink { return retrying{s, b, tries} }

// retrying repeats what is transient, and only where that is harmless: a Put of
// the same content is idempotent by the contract, an Open has handed out
// nothing yet when it fails, and a List can tell where it was.
type retrying struct {
	sink    Sink
	backoff fault.Backoff
	tries   int
}

// Put may find on its second try that the first one had taken after all (an
// answer that was lost): by the contract that is success.
func (r retrying) Put(ctx context.Context, key string, c Content) error {
	return fault.Retry(ctx, r.tries, r.backoff, func() error { return r.sink.Put(ctx, key, c) })
}

// Open repeats until it has a reader. Reads from that are not repeated: only
// the caller knows what it has done with the bytes before.
func (r retrying) Open(ctx context.Context, key string) (rc io.ReadCloser, err error) {
	err = fault.Retry(ctx, r.tries, r.backoff, func() (err error) {
		rc, err = r.sink.Open(ctx, key)
		return err
	})
	return rc, err
}

// List resumes after the last key that it yielded.
func (r retrying) List(ctx context.Context, prefix, after string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		last := after
		err := fault.Retry(ctx, r.tries, r.backoff, func() error {
			for e, err := range r.sink.List(ctx, prefix, last) {
				if err != nil {
					return err
				}
				if last = e.Key; !yield(e, nil) {
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
