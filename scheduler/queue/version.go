package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"

	"packseal.example/internal/fault"
	"packseal.example/scheduler/replica"
)

// versionsKey is where the bucket remembers, by name, the newest version that each
// server had. What has no cluster has no lasting name, and is "".
//
// A server opens a store that a newer one has written, and does not say that it
// misreads it: slots that were settled come back, and later ones are lost.
const versionsKey = "servers"

// checkVersion refuses a server that is older than its store, and remembers the
// version of one that is not. An older patch release is only warned of.
func (s *stream) checkVersion(ctx context.Context) error {
	return fault.Retry(ctx, 5, fault.Backoff{}, func() error {
		ctx, cancel := context.WithTimeout(ctx, openTimeout) // a request to a server that is still starting may get no answer
		defer cancel()
		value, revision, err := s.bucket.Get(ctx, versionsKey)
		if err != nil {
			return fault.Wrap(fault.Unavailable, fmt.Errorf("reading the versions of the queue's servers: %w", err))
		}
		known := map[string]string{}
		json.Unmarshal(value, &known) //nolint:errcheck // what can't be read is not known
		name, version := "", s.conn.ConnectedServerVersion()
		if s.conn.ConnectedClusterName() != "" {
			name = s.conn.ConnectedServerName()
		}
		had, is := release(known[name]), release(version)
		switch slices.Compare(had, is) {
		case 0:
			return nil
		case 1:
			if slices.Equal(had[:2], is[:2]) {
				s.log.WarnContext(ctx, "queue server older than its store", "version", version, "newest", known[name])
				return nil
			}
			return fault.New(fault.Conflict, "the queue's server is nats-server %s, and its store was written by %s: slots would be lost", version, known[name]).
				WithHint("start the newer one again; to go back for good, stop it, move its store away, and the queue is made anew from the archive")
		}
		known[name] = version
		if value, err = json.Marshal(known); err == nil {
			_, err = s.bucket.CompareAndSwap(ctx, versionsKey, value, revision)
		}
		if replica.IsConflict(err) {
			return fault.Wrap(fault.Busy, err)
		}
		return fault.Wrap(fault.Unavailable, err)
	})
}

// release returns the three numbers of a version; zeros where it has none.
func release(version string) []int {
	n := make([]int, 3)
	fmt.Sscanf(version, "%d.%d.%d", &n[0], &n[1], &n[2]) //nolint:errcheck // what is missing stays 0
	return n
}

// watchVersion looks at each server that a lost connection comes back to, until
// ctx ends: it may have been replaced. What is at work goes on.
func (s *stream) watchVersion(ctx context.Context) {
	for restored := s.conn.StatusChanged(nats.CONNECTED); ; {
		select {
		case <-ctx.Done():
			return
		case <-restored:
		}
		if err := s.acceptVersion(ctx); err != nil {
			s.log.ErrorContext(ctx, "queue server older than its store", "err", err, "hint", fault.Hint(err))
		}
	}
}

// acceptVersion is checkVersion, whose errors that say nothing of the version are
// but logged.
func (s *stream) acceptVersion(ctx context.Context) error {
	err := s.checkVersion(ctx)
	if err == nil || fault.Of(err) == fault.Conflict {
		return err
	}
	if ctx.Err() == nil {
		s.log.WarnContext(ctx, "version of the queue's server not checked", "err", err)
	}
	return nil
}
