package replica

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Notes are keys and values that any replica writes and all can read, also
// after a restart. They are lost with the bucket, so they must be something
// that can be done without.
type Notes struct {
	prefix string // of the keys
	bucket *Bucket
}

// Notes returns the notes of that name.
func (g *Group) Notes(name string) *Notes {
	return &Notes{prefix: "notes." + name + ".", bucket: g.o.Bucket}
}

// readTimeout bounds reading all notes.
const readTimeout = 10 * time.Second

// Read returns all notes, by key, at least those that were written before the call.
func (n *Notes) Read(ctx context.Context) (map[string][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	// One watch returns all notes, but a follower that lags behind may serve
	// it. So a mark is written first, and the watch read until it arrives.
	mark := n.prefix + Token("")
	written, err := n.bucket.kv.Put(ctx, mark, nil)
	if err != nil {
		return nil, fmt.Errorf("reading notes: %w", err)
	}
	w, err := n.bucket.kv.Watch(ctx, n.prefix+">", jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("reading notes: %w", err)
	}
	defer w.Stop() //nolint:errcheck // it was read to its end
	notes := make(map[string][]byte)
	for all, marked := false, false; !all || !marked; {
		select {
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return nil, errors.New("reading notes: the watch ended")
			case e == nil: // these were all that were there
				all = true
			case e.Key() == mark:
				marked = marked || e.Revision() >= written
			default:
				if key, ok := ParseToken(strings.TrimPrefix(e.Key(), n.prefix)); ok {
					notes[key] = e.Value()
				}
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("reading notes: %w", context.Cause(ctx))
		}
	}
	return notes, nil
}

// Write keeps a value under a key that is not empty, in the place of an earlier
// one.
func (n *Notes) Write(ctx context.Context, key string, value []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 2*requestTimeout)
	defer cancel()
	if _, err := n.bucket.kv.Put(ctx, n.prefix+Token(key), value); err != nil {
		return fmt.Errorf("writing a note: %w", err)
	}
	return nil
}
