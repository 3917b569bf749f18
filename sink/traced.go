package sink

import (
	"context"
	"io"
	"iter"

	"packseal.example/internal/trace"
)

// Traced returns a Sink that records a span for each operation of s. It goes
// inside [Retrying], to record each try.
func Traced(s Sink, name string) Sink { return traced{s, name} }

type traced struct {
	sink Sink
	name string
}

// Put implements [Sink]. The span has the size of c, even if the try fails.
func (t traced) Put(ctx context.Context, key string, c Content) error {
	ctx, s := trace.Call(ctx, "put", trace.Sink.String(t.name), trace.Bytes.Int64(c.Size))
	err := t.sink.Put(ctx, key, c)
	s.End(err)
	return err
}

// Open implements [Sink]. The span does not include reading the object. A key
// without an object is not a failure.
func (t traced) Open(ctx context.Context, key string) (rc io.ReadCloser, err error) {
	err = t.span(ctx, "open", func(ctx context.Context) (err error) {
		rc, err = t.sink.Open(ctx, key)
		return err
	})
	return rc, err
}

// List implements [Sink]. The span includes the time that the caller takes.
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
