package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// boardBytes bounds the board, beside what the slots may take.
const boardBytes = 32 << 20

// ensureBoard opens the board, and makes it if need be: a bucket of keys and
// values beside the slots, kept as often as they are, for what holds for every
// replica. It is as disposable as the queue: lost whole, nothing is said there.
func (e *engine) ensureBoard(ctx context.Context, copies int) error {
	board, err := e.js.KeyValue(ctx, e.prefix.board())
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		config := jetstream.KeyValueConfig{
			Bucket: e.prefix.board(), Storage: jetstream.FileStorage, MaxBytes: boardBytes, Replicas: copies,
		}
		if board, err = e.js.CreateOrUpdateKeyValue(ctx, config); scarce(err) && !e.exact {
			// Older servers take more copies of a stream than they can keep.
			config.Replicas = 1
			board, err = e.js.CreateOrUpdateKeyValue(ctx, config)
		}
	}
	if err != nil {
		return fmt.Errorf("opening the queue's board: %w", err)
	}
	if e.board == nil { // a handle is but a name, as that of the stream
		e.board = board
	}
	return nil
}

// peek returns what stands under a key, and its revision: 0 when nothing does.
func peek(ctx context.Context, board jetstream.KeyValue, key string) (value []byte, revision uint64, err error) {
	e, err := board.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return e.Value(), e.Revision(), nil
}

// swap puts a value in the place of that revision, which is 0 for nothing, and
// returns the next one. See beaten for when another one stands there by then.
func swap(ctx context.Context, board jetstream.KeyValue, key string, value []byte, revision uint64) (uint64, error) {
	if revision == 0 {
		return board.Create(ctx, key, value)
	}
	return board.Update(ctx, key, value, revision)
}

// beaten reports whether somebody else was faster.
func beaten(err error) bool {
	return errors.Is(err, jetstream.ErrKeyExists) || errors.Is(err, jetstream.ErrKeyRevisionMismatch)
}

// memberName returns what this replica is called in the queue: its host's
// name, or the one that is configured, and a word that is its own. It is the
// same after each restart, and another one for each folder.
func memberName(dir, configured string) (string, error) {
	path := filepath.Join(dir, "member")
	kept, err := os.ReadFile(path)
	if word := strings.TrimSpace(string(kept)); err != nil || len(word) < 8 || word != token(word) {
		kept = []byte(strings.ToLower(rand.Text()[:8]))
		if err := os.WriteFile(path, append(kept, '\n'), 0o600); err != nil {
			return "", fmt.Errorf("naming this replica: %w", err)
		}
	}
	name := configured
	if name == "" {
		if name, err = os.Hostname(); err != nil {
			return "", fmt.Errorf("naming this replica: %w", err)
		}
	}
	return name + "." + strings.TrimSpace(string(kept)), nil
}
