package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// duplicateWindow is how long the engine remembers which slots it has taken:
// longer than it takes other replicas and retries to publish the same slot.
const duplicateWindow = 2 * time.Hour

// engine is an embedded server, the one connection to it, and the stream.
type engine struct {
	server *server.Server
	conn   *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
	failed atomic.Bool // the disk under the store
}

// start runs an engine on the store in dir. It opens no port: its one client
// is in the process.
//
// The store is written at once but synced every two minutes only, which is
// the engine's default. A loss of power can thus cost the newest slots, and
// that is all right: the scheduler finds from the archive what is owed.
func start(ctx context.Context, dir string, maxBytes int64, log *slog.Logger) (_ *engine, err error) {
	e := new(engine)
	defer func() {
		if err != nil {
			e.stop()
		}
	}()
	if err = forgetWork(dir); err != nil {
		return nil, err
	}
	e.server, err = server.NewServer(&server.Options{
		ServerName:         streamName,
		DontListen:         true,
		NoSigs:             true,
		JetStream:          true,
		StoreDir:           dir,
		JetStreamMaxMemory: 1 << 20, // nothing is kept in memory only
		JetStreamMaxStore:  maxBytes,
		NoSystemAccount:    true,
	})
	if err != nil {
		return nil, fmt.Errorf("making the queue's engine: %w", err)
	}
	e.server.SetLogger(logger{log, &e.failed}, false, false)
	e.server.Start()
	// A server that cannot open its store runs on without one.
	if !e.server.JetStreamEnabled() || !e.server.ReadyForConnections(10*time.Second) {
		return nil, errors.New("starting the queue's engine: it does not get ready")
	}
	e.conn, err = nats.Connect("", nats.InProcessServer(e.server), nats.Name("packseal"), nats.MaxReconnects(-1))
	if err != nil {
		return nil, fmt.Errorf("connecting to the queue's engine: %w", err)
	}
	if e.js, err = jetstream.New(e.conn); err != nil {
		return nil, fmt.Errorf("connecting to the queue's engine: %w", err)
	}
	e.stream, err = e.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:                 streamName,
		Subjects:             []string{subjects + "*.*"},
		Retention:            jetstream.WorkQueuePolicy, // what is settled is gone
		Storage:              jetstream.FileStorage,
		MaxMsgsPerSubject:    1, // one slot a pack;
		Discard:              jetstream.DiscardNew,
		DiscardNewPerSubject: true, // the earlier one stays, the later one is refused
		MaxBytes:             maxBytes,
		Duplicates:           duplicateWindow,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the queue's stream: %w", err)
	}
	return e, nil
}

// stop ends the connection and the server, as far as they came to be, and
// waits until the files are closed.
func (e *engine) stop() {
	if e.conn != nil {
		e.conn.Close()
	}
	if e.server != nil {
		e.server.Shutdown()
		e.server.WaitForShutdown()
	}
}

// logger hands on what the engine says: its warnings and errors as warnings,
// because the queue can always be made anew, the rest for debugging only.
type logger struct {
	log    *slog.Logger
	failed *atomic.Bool
}

func (l logger) Noticef(format string, v ...any) { l.debug(format, v) }
func (l logger) Debugf(format string, v ...any)  { l.debug(format, v) }
func (l logger) Tracef(format string, v ...any)  { l.debug(format, v) }
func (l logger) Warnf(format string, v ...any)   { l.warn(format, v) }
func (l logger) Errorf(format string, v ...any)  { l.warn(format, v) }
func (l logger) Fatalf(format string, v ...any)  { l.warn(format, v) }

func (l logger) debug(format string, v []any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("the queue's engine speaks", "says", fmt.Sprintf(format, v...))
	}
}

func (l logger) warn(format string, v []any) {
	says := fmt.Sprintf(format, v...)
	if ofDisk(says) {
		l.failed.Store(true)
	}
	l.log.Warn("the queue's engine complains", "says", says)
}
