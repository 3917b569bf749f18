package queue

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// Notes are keys and values on the board, for what replicas must know of one
// another's doings and can do without should the board be lost.
type Notes struct {
	prefix string
	board  jetstream.KeyValue
}

// Notes returns the notes of that name.
func (q *JetStream) Notes(name string) *Notes {
	return &Notes{prefix: "notes." + name + ".", board: q.engine.board}
}

// Read returns all notes, by key.
func (n *Notes) Read(ctx context.Context) (map[string][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, ensureTime*5)
	defer cancel()
	// A watch brings all of them in one go, and nil when there are no more.
	w, err := n.board.Watch(ctx, n.prefix+">", jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("reading notes: %w", err)
	}
	defer w.Stop() //nolint:errcheck // it was read to its end
	notes := make(map[string][]byte)
	for {
		select {
		case e, ok := <-w.Updates():
			if !ok {
				return nil, errors.New("reading notes: they broke off")
			}
			if e == nil {
				return notes, nil
			}
			if key, ok := untoken(strings.TrimPrefix(e.Key(), n.prefix)); ok {
				notes[key] = e.Value()
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("reading notes: %w", context.Cause(ctx))
		}
	}
}

// Write keeps a value under a key that is not empty.
func (n *Notes) Write(ctx context.Context, key string, value []byte) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if _, err := n.board.Put(ctx, n.prefix+token(key), value); err != nil {
		return fmt.Errorf("writing a note: %w", err)
	}
	return nil
}

// untoken returns the name that a token stands for.
func untoken(t string) (name string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(t); i++ {
		if t[i] != '=' {
			b.WriteByte(t[i])
			continue
		}
		if i+3 > len(t) {
			return "", false
		}
		c, err := hex.DecodeString(t[i+1 : i+3])
		if err != nil {
			return "", false
		}
		b.WriteByte(c[0])
		i += 2
	}
	return b.String(), true
}
