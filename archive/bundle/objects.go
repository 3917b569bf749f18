package bundle

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"packseal.example/archive/audit"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// The limits of what is read, in bytes.
const (
	maxObject    = 64 << 10 // of a record, or of what is beside a checkpoint
	maxStatement = tree.MaxNote
)

// object is what the sinks have under a key.
type object struct {
	bytes []byte // nil = none has it
	good  bool   // it is what was wanted; else it is what one of them has instead
}

// object reads the object of an entry from the first sink that has it as it was logged.
// The error is of a sink that can't be asked, when no other has it.
func (m *making) object(ctx context.Context, e tree.Entry) (object, error) {
	limit := int64(maxObject)
	if e.Kind() == tree.Statement {
		limit = maxStatement
	}
	return m.get(ctx, e.Object(), limit, func(raw []byte) bool { return sha256.Sum256(raw) == e.Sum })
}

// get reads an object of at most so many bytes from the first sink whose bytes are good.
func (s Source) get(ctx context.Context, key string, limit int64, good func([]byte) bool) (other object, err error) {
	var errs []error
	for _, t := range s.Sinks {
		raw, err := sink.ReadAll(ctx, t, key, limit)
		switch {
		case errors.Is(err, sink.ErrNotExist):
		case fault.Of(err) == fault.Damaged:
			other.bytes = []byte{}
		case err != nil:
			errs = append(errs, fmt.Errorf("reading %s from sink %s: %w", key, t.Name, err))
		case good(raw):
			return object{raw, true}, nil
		default:
			other.bytes = raw
		}
	}
	return other, errors.Join(errs...)
}

// note adds a finding of the writer's.
func (m *making) note(w audit.Word, key, english, chinese string, args ...any) {
	m.found = append(m.found, audit.Find(w, key, english, chinese, args...))
}
