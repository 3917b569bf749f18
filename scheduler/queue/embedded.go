package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// embed starts an engine on the store in o.Dir, in this process, if need be on
// a new store. Alone, it opens no port: its one client is in the process.
//
// The store is written at once but synced every two minutes only, which is
// the engine's default. A loss of power can thus cost the newest slots, and
// that is all right: the scheduler finds from the archive what is owed.
func embed(ctx context.Context, o Options) (*engine, error) {
	start := func() (*engine, error) {
		if c := o.embedded().Cluster; c != nil {
			return join(o, *c)
		}
		if err := forgetWork(o.Dir); err != nil {
			return nil, err
		}
		e := &engine{prefix: defaultPrefix, maxBytes: o.embedded().maxBytes(), copies: 1}
		so := serverOptions(o)
		so.ServerName, so.DontListen, so.NoSystemAccount = defaultPrefix, true, true
		if err := e.serve(so, o.Logger); err != nil {
			return nil, err
		}
		if err := e.ensure(ctx); err != nil {
			e.stop()
			return nil, err
		}
		return e, nil
	}
	e, err := start()
	if err == nil || ctx.Err() != nil || errors.Is(err, errNoDamage) {
		return e, err
	}
	store := filepath.Join(o.Dir, "jetstream")
	aside := store + ".damaged"
	o.Logger.Warn("the queue's store is damaged and put aside", "err", err, "path", aside)
	if err := os.RemoveAll(aside); err != nil {
		return nil, fmt.Errorf("putting the queue's store aside: %w", err)
	}
	if err := os.Rename(store, aside); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("putting the queue's store aside: %w", err)
	}
	return start()
}

// errNoDamage is what an error is that another store would not mend.
var errNoDamage = errors.New("the queue's engine cannot be set up")

// serverOptions are what embedded servers have in common.
func serverOptions(o Options) *server.Options {
	return &server.Options{
		NoSigs:             true,
		JetStream:          true,
		StoreDir:           o.Dir,
		JetStreamMaxMemory: 1 << 20, // nothing is kept in memory only
		JetStreamMaxStore:  o.embedded().maxBytes() + boardBytes,
	}
}

// serve starts a server and connects to it within the process.
func (e *engine) serve(so *server.Options, log *slog.Logger) (err error) {
	defer func() {
		if err != nil {
			e.stop()
		}
	}()
	so.Authorization = rand.Text() // for nobody but us, should there be a port
	if e.server, err = server.NewServer(so); err != nil {
		return fmt.Errorf("making the queue's engine: %w", err)
	}
	e.server.SetLogger(logger{log, e}, false, false)
	e.server.Start()
	// A server that cannot open its store runs on without one.
	if !e.server.JetStreamEnabled() || !e.server.ReadyForConnections(10*time.Second) {
		return errors.New("starting the queue's engine: it does not get ready")
	}
	return e.connect("", "", log, nats.InProcessServer(e.server), nats.Token(so.Authorization))
}
