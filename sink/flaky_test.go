package sink_test

import (
	"context"
	"io"
	"iter"
	"slices"

	"packseal.example/sink"
)

// flaky is a Memory whose calls fail with errs, one after the other; a nil error
// is a success. A List fails after its first entry.
type flaky struct {
	*sink.Memory
	unordered bool // it lists backwards
	errs      []error
	calls     int
}

func (f *flaky) next() (err error) {
	f.calls++
	if len(f.errs) > 0 {
		err, f.errs = f.errs[0], f.errs[1:]
	}
	return err
}

func (f *flaky) Put(ctx context.Context, key string, c sink.Content) error {
	if err := f.next(); err != nil {
		return err
	}
	return f.Memory.Put(ctx, key, c)
}

func (f *flaky) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := f.next(); err != nil {
		return nil, err
	}
	return f.Memory.Open(ctx, key)
}

func (f *flaky) List(ctx context.Context, prefix, after string) iter.Seq2[sink.Entry, error] {
	return func(yield func(sink.Entry, error) bool) {
		fails := f.next()
		var all []sink.Entry
		for e, err := range f.Memory.List(ctx, prefix, after) {
			if err != nil {
				yield(e, err)
				return
			}
			all = append(all, e)
		}
		if f.unordered {
			slices.Reverse(all)
		}
		for i, e := range all {
			if !yield(e, nil) {
				return
			}
			if fails != nil && i == 0 {
				yield(sink.Entry{}, fails)
				return
			}
		}
	}
}
