// Package sink is where evidence is kept: storage that is written once.
//
// The contract is [Sink]; [packseal.example/sink/sinktest] checks an
// implementation against it. Backends are folders below this one. A backend
// does one thing per call and does not retry; [Retrying] and [Measured] wrap
// any of them.
package sink

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"strings"
	"time"

	"packseal.example/internal/fault"
)

// Sink is write-once storage of whole objects under slash-separated keys, as
// [CheckKey] permits them. A key ("a") and keys below it ("a/b") must not both
// be used: a file system cannot hold them.
//
// All methods may be called from many goroutines. Every error is classified
// (see package fault): storage that is down, slow, full or read-only is
// SinkUnavailable, storage that refuses us is SinkDenied, an object that is
// not there is NotFound, and trying again is the caller's affair. The same
// holds for the errors of the readers that Open returns. No error carries a
// credential or a signed URL.
type Sink interface {
	// Put stores c under key, once and for ever. When Put returns nil the
	// whole object is durable and readable under key with exactly c's bytes.
	// If key holds the same bytes already, Put succeeds and changes nothing;
	// if it holds others, Put fails with fault.Conflict and changes nothing.
	// Of several Puts racing for one key one wins, and the others see it.
	// Content whose bytes are not as its Size and SHA256 say is refused with
	// fault.Damaged.
	//
	// A Put that fails or is cut off never leaves a part of an object to be
	// read: key holds nothing, or, when the failure came after the storage
	// had taken the object (an answer that was lost), all of c. Putting it
	// again settles which.
	Put(ctx context.Context, key string, c Content) error

	// Open reads the object under key from its beginning. The error is
	// fs.ErrNotExist (by errors.Is) when there is none, and only then.
	Open(ctx context.Context, key string) (io.ReadCloser, error)

	// List yields the objects whose keys begin with prefix and are greater
	// than after, in ascending order of their keys as strings of bytes, and
	// stops at the first error. A prefix is a string, not a folder. "" as
	// after lists from the first key; after need not be the key of an object
	// nor begin with prefix. What is skipped costs next to nothing: asking
	// for what is new since a key is one request to an object store.
	List(ctx context.Context, prefix, after string) iter.Seq2[Entry, error]
}

// Opener is a sink's entry in the configuration: what a new kind of sink
// implements beside [Sink].
type Opener interface {
	// Check returns everything that is wrong with the entry, without asking
	// the storage.
	Check() []fault.Problem
	// Open makes the sink. Storage that is down now is no error: the sink's
	// calls will say so.
	Open(context.Context) (Sink, error)
}

// Entry is one object as List finds it.
type Entry struct {
	Key     string
	Size    int64     // bytes
	ModTime time.Time // when it was stored, as the store says
}

// ErrNotExist is what the error of Open is, by errors.Is, for a key that holds nothing.
var ErrNotExist = fs.ErrNotExist

// NotExist is the classified error for a key that holds nothing.
func NotExist(key string) error { return fault.New(fault.NotFound, "%s: %w", key, ErrNotExist) }

// CheckKey refuses keys that no backend may be given: empty ones, rooted ones,
// those that are not UTF-8, and those with control characters, backslashes, or
// elements that are empty or begin with a dot: such names are the backends' own.
func CheckKey(key string) error {
	hidden := strings.HasPrefix(key, ".") || strings.Contains(key, "/.")
	if !fs.ValidPath(key) || hidden || strings.ContainsFunc(key, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\\' }) {
		return fault.New(fault.Internal, "invalid key %q", key)
	}
	return nil
}

// CanBegin reports whether a key can begin with prefix. Stores need not be
// asked for others, and some refuse the question.
func CanBegin(prefix string) bool { return prefix == "" || CheckKey(prefix+"x") == nil }

// Ended classifies the end of ctx. It is nil while ctx goes on.
func Ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	reason := fault.Canceled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		reason = fault.Deadline
	}
	return fault.Wrap(reason, context.Cause(ctx))
}

// ReadAll reads the object under key, up to limit bytes; a larger one is an
// error, because records are small.
func ReadAll(ctx context.Context, s Sink, key string, limit int64) ([]byte, error) {
	r, err := s.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fault.New(fault.Damaged, "%s is over %d bytes", key, limit)
	}
	return b, nil
}
