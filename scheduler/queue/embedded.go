package queue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// embed starts a server on the store in o.Dir, in this process; if the store is
// damaged, on a new one. Alone, it opens no port: its only client is in the
// process. In a cluster the stream is not open yet.
//
// The store is written at once but synced every two minutes only, which is the
// server's default. A loss of power can thus cost the newest slots, which is
// acceptable: the scheduler finds out from the archive what is owed.
func embed(ctx context.Context, o Options) (*stream, error) {
	start := func() (*stream, error) {
		if c := o.embedded().Cluster; c != nil {
			b, err := join(o, *c)
			return &stream{broker: b}, err
		}
		if err := resetConsumers(o.Dir); err != nil {
			return nil, err
		}
		b := &broker{prefix: defaultPrefix, maxBytes: o.embedded().maxBytes(), copies: 1, log: o.Logger}
		so := serverOptions(o)
		so.ServerName, so.DontListen, so.NoSystemAccount = defaultPrefix, true, true
		if err := b.serve(so); err != nil {
			return nil, err
		}
		s := &stream{broker: b}
		if err := s.open(ctx); err != nil {
			b.stop()
			return nil, err
		}
		return s, nil
	}
	s, err := start()
	if err == nil || ctx.Err() != nil || errors.Is(err, errSetup) {
		return s, err
	}
	store := filepath.Join(o.Dir, "jetstream")
	aside := store + ".damaged"
	o.Logger.Warn("queue store damaged: moved away", "err", err, "path", aside)
	if err := os.RemoveAll(aside); err != nil {
		return nil, fmt.Errorf("moving the queue's store away: %w", err)
	}
	if err := os.Rename(store, aside); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("moving the queue's store away: %w", err)
	}
	return start()
}

// resetConsumers makes a server on the store in dir hand out every task anew, at
// once, when it starts. Whoever worked on one is gone with the process before,
// although after a crash the server would wait for an acknowledgement. And after
// a loss of power what it kept of who has which task can be torn, or older than
// the tasks: then it would never hand them out.
func resetConsumers(dir string) error {
	kept, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", prefix(defaultPrefix).stream(), "obs"))
	for _, k := range kept {
		err = errors.Join(err, os.RemoveAll(k))
	}
	if err != nil {
		return fmt.Errorf("resetting the queue's consumers: %w", err)
	}
	return nil
}
