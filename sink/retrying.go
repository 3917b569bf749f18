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

type retrying struct {
	sink    Sink
	backoff fault.Backoff
	tries   int
}

func (r retrying) Put(ctx context.Context, key string, c Content) error {
	return fault.Retry(ctx, r.tries, r.backoff, func() error { return r.sink.Put(ctx, key, c) })
}

func (r retrying) Open(ctx context.Context, key string) (rc io.ReadCloser, err error) {
	err = fault.Retry(ctx, r.tries, r.backoff, func() (err error) {
		rc, err = r.sink.Open(ctx, key)
		return err
	})
	return rc, err
}

// List goes on after the last key that it yielded.
func (r retrying) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		last := ""
		err := fault.Retry(ctx, r.tries, r.backoff, func() error {
			for e, err := range r.sink.List(ctx, prefix) {
				if err != nil {
					return err
				}
				if e.Key <= last {
					continue
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
