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

// BucketConfig says what a bucket is to be.
type BucketConfig struct {
	Name     string
	MaxBytes int64
	Copies   int // how many servers keep it
}

// OpenBucket opens a bucket, and creates it if it does not exist. In one that
// exists only who answers reads is changed, if need be.
func OpenBucket(ctx context.Context, js jetstream.JetStream, c BucketConfig) (*Bucket, error) {
	stream, err := js.Stream(ctx, "KV_"+c.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		_, err = js.CreateOrUpdateStream(ctx, c.stream())
	case err == nil && stream.CachedInfo().Config.AllowDirect:
		config := stream.CachedInfo().Config
		config.AllowDirect = false
		_, err = js.UpdateStream(ctx, config)
	}
	if err != nil {
		return nil, fmt.Errorf("opening bucket %s: %w", c.Name, err)
	}
	kv, err := js.KeyValue(ctx, c.Name)
	if err != nil {
		return nil, fmt.Errorf("opening bucket %s: %w", c.Name, err)
	}
	return &Bucket{kv}, nil
}

// stream is the bucket as JetStream keeps it. It is what the client library
// would make, but for AllowDirect.
func (c BucketConfig) stream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              "KV_" + c.Name,
		Subjects:          []string{"$KV." + c.Name + ".>"},
		MaxMsgsPerSubject: 1,
		MaxBytes:          c.MaxBytes,
		MaxMsgs:           -1,
		MaxMsgSize:        -1,
		MaxConsumers:      -1,
		Storage:           jetstream.FileStorage,
		Replicas:          c.Copies,
		Discard:           jetstream.DiscardNew,
		AllowRollup:       true,
		DenyDelete:        true,
		AllowDirect:       false,
	}
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
