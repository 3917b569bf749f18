package sink

import (
	"context"
	"errors"
	"io"
	"iter"

	"packseal.example/internal/trace"
)

// Traced makes a Sink whose operations are spans of what the context is at. Put
// it inside [Retrying], so that each try is one.
func Traced(s Sink, name string) Sink { return traced{s, name} }

type traced struct {
	sink Sink
	name string
}

// Put counts the bytes that were to go out, also of a try that failed.
func (t traced) Put(ctx context.Context, key string, c Content) error {
	ctx, s := trace.Call(ctx, "put", trace.Sink.String(t.name), trace.Bytes.Int64(c.Size))
	err := t.sink.Put(ctx, key, c)
	s.End(err)
	return err
}

// Open is over when the reader is there. That a key holds nothing is an answer.
func (t traced) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	ctx, s := trace.Call(ctx, "open", trace.Sink.String(t.name))
	rc, err := t.sink.Open(ctx, key)
	if errors.Is(err, ErrNotExist) {
		s.End(nil)
	} else {
		s.End(err)
	}
	return rc, err
}

// List is over when the caller has seen enough: the time is the caller's too.
func (t traced) List(ctx context.Context, prefix, after string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		ctx, s := trace.Call(ctx, "list", trace.Sink.String(t.name))
		var last error
		defer func() { s.End(last) }()
		for e, err := range t.sink.List(ctx, prefix, after) {
			if last = err; !yield(e, err) {
				return
			}
		}
	}
}
