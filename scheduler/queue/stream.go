package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"packseal.example/internal/fault"
	"packseal.example/scheduler/replica"
)

// stream is where the slots are kept, and beside it a bucket for what holds for
// all replicas.
type stream struct {
	*broker
	handle   jetstream.Stream
	bucket   *replica.Bucket
	creating sync.Mutex // held while a consumer is created
}

// duplicateWindow is how long the server remembers which slots it has taken:
// longer than it takes other replicas and retries to publish the same slot.
const duplicateWindow = 2 * time.Hour

// What the server answers when it cannot keep as many copies as it should.
const (
	codeNoPeers     = 10005 // there are too few servers,
	codeNoRoom      = 10023 // or, as older ones say it, they have no room
	codeUnclustered = 10074 // there is one server and no cluster
)

// tooFewServers reports whether err says so.
func tooFewServers(err error) bool {
	refused, ok := errors.AsType[*jetstream.APIError](err)
	return ok && slices.Contains([]jetstream.ErrorCode{codeNoPeers, codeNoRoom, codeUnclustered}, refused.ErrorCode)
}

// open opens the stream and the bucket, and creates them if they do not exist.
// What another replica or an operator has set otherwise is corrected, but copies
// are never taken away.
func (s *stream) open(ctx context.Context) error {
	config := jetstream.StreamConfig{
		Name:                 s.prefix.stream(),
		Subjects:             []string{s.prefix.subjects() + "*.*"},
		Retention:            jetstream.WorkQueuePolicy, // what is settled is deleted
		Storage:              jetstream.FileStorage,
		MaxMsgsPerSubject:    1, // one slot per pack:
		Discard:              jetstream.DiscardNew,
		DiscardNewPerSubject: true, // the earlier one stays, the later one is refused
		MaxBytes:             s.maxBytes,
		Duplicates:           duplicateWindow,
		Replicas:             s.copies,
	}
	handle, err := s.js.Stream(ctx, config.Name)
	if err == nil {
		if err := quorum(handle.CachedInfo().Cluster); err != nil {
			return err
		}
		have := handle.CachedInfo().Config
		config.Replicas = max(have.Replicas, s.copies)
		if have.MaxBytes != config.MaxBytes || have.Replicas != config.Replicas || have.Duplicates != config.Duplicates {
			handle, err = s.js.UpdateStream(ctx, config)
		}
	} else if errors.Is(err, jetstream.ErrStreamNotFound) {
		handle, err = s.js.CreateStream(ctx, config)
	}
	if tooFewServers(err) && !s.exact {
		config.Replicas = 1
		handle, err = s.js.CreateOrUpdateStream(ctx, config)
	}
	if err != nil {
		return fmt.Errorf("opening the queue's stream: %w", err)
	}
	bucket, err := s.openBucket(ctx, config.Replicas)
	if err != nil {
		return err
	}
	if s.handle == nil { // a handle is but a name: the first one stays good
		s.handle, s.bucket = handle, bucket
	}
	return nil
}

// openBucket opens the bucket. It is as disposable as the queue: when it is
// lost, nothing is paused and nobody holds a lease.
func (s *stream) openBucket(ctx context.Context, copies int) (*replica.Bucket, error) {
	bucket, err := replica.OpenBucket(ctx, s.js, s.prefix.bucket(), bucketBytes, copies)
	if tooFewServers(err) && !s.exact {
		// Older servers take more copies of a stream than they can keep.
		bucket, err = replica.OpenBucket(ctx, s.js, s.prefix.bucket(), bucketBytes, 1)
	}
	return bucket, err
}

// await opens the stream, however long it takes until there are enough servers.
// Only what waiting cannot cure is an error. That it waits is logged after report.
func (s *stream) await(ctx context.Context, report time.Duration) error {
	began, reported := time.Now(), time.Time{}
	for try := 0; ; try++ {
		once, cancel := context.WithTimeout(ctx, openTimeout)
		err := s.open(once)
		cancel()
		switch {
		case err == nil:
			if try > 0 {
				s.log.InfoContext(ctx, "queue available", "elapsed", time.Since(began).Round(time.Millisecond))
			}
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !temporary(err):
			return err
		}
		if last := s.conn.LastError(); last != nil && !s.conn.IsConnected() {
			err = last // such as wrong credentials
		}
		if time.Since(began) > report && time.Since(reported) > repeatAfter {
			reported = time.Now()
			s.log.WarnContext(ctx, "waiting for the queue", "err", err, "for", s.waitsFor())
		}
		fault.Sleep(ctx, time.Second/4)
	}
}

// openTimeout bounds one attempt: a server that has no leader yet does not
// answer at all.
const openTimeout = 2 * time.Second

// temporary reports whether an error of the server may pass by itself: nobody
// answers, a leader is being elected, or there are too few servers.
func temporary(err error) bool {
	if refused, ok := errors.AsType[*jetstream.APIError](err); ok {
		return refused.Code >= 500 || tooFewServers(err)
	}
	return !errors.Is(err, nats.ErrConnectionClosed) // a stream without a leader, too
}

const (
	goneAfter      = 10 * time.Second // without a heartbeat from a server, which sends one each second
	requestTimeout = 5 * time.Second  // after which a request went to a server that is gone
	readyTimeout   = 2 * time.Second  // the same, when somebody asks whether we are ready
)

// ready returns nil while the stream answers and has a quorum.
func (s *stream) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	info, err := s.handle.Info(ctx)
	if err != nil {
		return fault.New(fault.NotReady, "the queue does not answer: %w", err)
	}
	return quorum(info.Cluster)
}

// quorum returns nil while most of the servers that keep the stream are there.
// A leader that was left alone also answers, and so does a server that has
// looked for a leader in vain.
func quorum(c *jetstream.ClusterInfo) error {
	if c == nil {
		return nil
	}
	if c.Leader == "" {
		return fault.New(fault.NotReady, "none of the servers that keep the queue leads the others")
	}
	gone := 0
	for _, peer := range c.Replicas {
		if peer.Offline || peer.Active > goneAfter {
			gone++
		}
	}
	if all := 1 + len(c.Replicas); all-gone <= all/2 {
		return fault.New(fault.NotReady, "of %d servers that keep the queue, %d are gone", all, gone)
	}
	return nil
}
