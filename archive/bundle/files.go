package bundle

import (
	"archive/zip"
	"context"
	"embed"
	"io"
	"iter"
	"strings"
	"sync"
	"time"
)

// verifiers are what an auditor without packseal uses.
//
//go:embed verify/*.py verify/*.sh verify/*.txt
var verifiers embed.FS

// files are those of a bundle; without a zip nothing is written.
type files struct {
	zip  *zip.Writer
	time time.Time // of each file
}

// create begins a file, and ends the one before.
func (f files) create(name string) (io.Writer, error) {
	if f.zip == nil {
		return io.Discard, nil
	}
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: f.time}
	h.SetMode(0o644)
	if strings.HasSuffix(name, ".sh") || strings.HasSuffix(name, ".py") {
		h.SetMode(0o755)
	}
	return f.zip.CreateHeader(h)
}

// file writes a file.
func (f files) file(name string, b []byte) error {
	w, err := f.create(name)
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

// ahead is how many objects are read at once.
const ahead = 16

// inOrder yields what read returns for each item, in their order, while further ones are
// read. After an error it ends.
func inOrder[S, T any](ctx context.Context, items []S, read func(context.Context, S) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		type result struct {
			value T
			err   error
		}
		ctx, cancel := context.WithCancel(ctx)
		var work sync.WaitGroup
		defer work.Wait()
		defer cancel()
		turns := make(chan chan result, ahead)
		work.Go(func() {
			defer close(turns)
			for _, item := range items {
				turn := make(chan result, 1)
				turns <- turn
				if err := ctx.Err(); err != nil {
					turn <- result{err: err}
					return
				}
				work.Go(func() {
					v, err := read(ctx, item)
					turn <- result{v, err}
				})
			}
		})
		stopped := false
		for turn := range turns {
			if r := <-turn; !stopped && (!yield(r.value, r.err) || r.err != nil) {
				stopped = true
				cancel()
			}
		}
	}
}
