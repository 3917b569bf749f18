package replica

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Bucket is a bucket of keys and values whose reads are answered by its leader.
// What JetStream makes by default lets followers answer, which may lag behind:
// a replica could read an older value than the one it wrote itself.
type Bucket struct{ kv jetstream.KeyValue }

// OpenBucket opens a bucket, and creates it if it does not exist, to be kept by so
// many servers. In one that exists only who answers reads is changed, if need be.
func OpenBucket(ctx context.Context, js jetstream.JetStream, name string, maxBytes int64, copies int) (*Bucket, error) {
	stream, err := js.Stream(ctx, "KV_"+name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		// It is what the client library would make, but for AllowDirect.
		_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name: "KV_" + name, Subjects: []string{"$KV." + name + ".>"}, MaxMsgsPerSubject: 1,
			MaxBytes: maxBytes, Storage: jetstream.FileStorage, Replicas: copies,
			Discard: jetstream.DiscardNew, AllowRollup: true, DenyDelete: true,
		})
	case err == nil && stream.CachedInfo().Config.AllowDirect:
		config := stream.CachedInfo().Config
		config.AllowDirect = false
		_, err = js.UpdateStream(ctx, config)
	}
	var kv jetstream.KeyValue
	if err == nil {
		kv, err = js.KeyValue(ctx, name)
	}
	if err != nil {
		return nil, fmt.Errorf("opening bucket %s: %w", name, err)
	}
	return &Bucket{kv}, nil
}

// Get returns the value under key and its revision. The revision is 0 if the
// key does not exist.
func (b *Bucket) Get(ctx context.Context, key string) (value []byte, revision uint64, err error) {
	e, err := b.kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return e.Value(), e.Revision(), nil
}

// CompareAndSwap replaces the value under key if its revision is still that
// one, 0 for a key that does not exist, and returns the next revision. See
// [IsConflict] for when it is not.
func (b *Bucket) CompareAndSwap(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if revision == 0 {
		return b.kv.Create(ctx, key, value)
	}
	return b.kv.Update(ctx, key, value, revision)
}

// IsConflict reports whether err is a lost compare-and-swap.
func IsConflict(err error) bool {
	return errors.Is(err, jetstream.ErrKeyExists) || errors.Is(err, jetstream.ErrKeyRevisionMismatch)
}
