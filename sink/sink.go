// Package sink defines the write-once storage that evidence is kept in.
//
// [Sink] is the contract; [packseal.example/sink/sinktest] checks whether an
// implementation keeps it. Backends are the packages below this directory. They
// do not retry, log or count: [Retrying], [Measured] and [Traced] wrap any of
// them.
package sink

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Sink is write-once storage of whole objects under slash-separated keys that
// [CheckKey] accepts. A key ("a") and keys below it ("a/b") must not both be
// used, because a file system cannot store them.
//
// All methods are safe for concurrent use. Every error is classified (see
// package fault): SinkUnavailable if the storage is down, slow, full or
// read-only, SinkDenied if it rejects us, NotFound if there is no such object.
// Retries are left to the caller. The same holds for errors of the readers that
// Open returns. No error contains a credential or a signed URL.
type Sink interface {
	// Put stores c under key permanently. When it returns nil, the object is
	// durable and can be read with exactly the bytes of c. If key holds these
	// bytes already, Put succeeds and changes nothing; if it holds others, Put
	// fails with fault.Conflict and changes nothing. If several Puts race for
	// a key, one of them stores its content and the others find it there.
	// Content that does not match its Size and SHA256 is rejected with
	// fault.Damaged.
	//
	// A Put that fails or is interrupted never leaves a partial object: key
	// holds nothing or, if the storage had accepted the object before the
	// failure (its response was lost), all of c. Repeating the Put is safe.
	Put(ctx context.Context, key string, c Content) error

	// Open reads the object under key from the beginning. The error is
	// fs.ErrNotExist (by errors.Is) if and only if there is none.
	Open(ctx context.Context, key string) (io.ReadCloser, error)

	// List yields all objects whose keys begin with prefix and are greater
	// than after, each once, and stops at the first error: a listing that ends
	// without one is complete. They come in byte order of the keys, except from
	// stores that list otherwise; a caller that needs the order checks it.
	// With after "" it starts at the first key. The prefix is a string, not a
	// directory; after need not be the key of an object, nor begin with
	// prefix. The storage seeks to after, so that listing what is new costs
	// one request, however many objects precede it.
	List(ctx context.Context, prefix, after string) iter.Seq2[Entry, error]
}

// Opener is the configuration of a backend; each backend implements it in
// addition to [Sink].
type Opener interface {
	// Check returns all problems of the configuration, without accessing the
	// storage.
	Check() []fault.Problem
	// Open returns the sink. It does not fail because the storage is down:
	// calls to the sink will.
	Open(context.Context) (Sink, error)
}

// Entry describes an object in a listing.
type Entry struct {
	Key     string
	Size    int64     // bytes
	ModTime time.Time // when it was stored, by the clock of the storage
}

// ErrNotExist is the error of Open, by errors.Is, for a key without an object.
var ErrNotExist = fs.ErrNotExist

// NotExist returns the classified error for a key without an object.
func NotExist(key string) error { return fault.New(fault.NotFound, "%s: %w", key, ErrNotExist) }

// CheckKey returns an error for a key that is not valid, see [evidence.ValidKey].
func CheckKey(key string) error {
	if !evidence.ValidKey(key) {
		return fault.New(fault.Internal, "invalid key %q", key)
	}
	return nil
}

// CanBegin reports whether a valid key can begin with prefix. Some stores reject
// requests with other prefixes.
func CanBegin(prefix string) bool { return prefix == "" || CheckKey(prefix+"x") == nil }

// Ended returns the classified cause if ctx has ended, and nil otherwise.
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

// ReadAll reads the object under key into memory. The error is fault.Damaged if
// it is larger than limit bytes.
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
		return nil, fault.New(fault.Damaged, "%s is larger than %d bytes", key, limit)
	}
	return b, nil
}
