package queue

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// engine is where the slots are: the one connection to it, and the stream. The
// server behind the connection is in this process, or somewhere else.
type engine struct {
	prefix   prefix
	maxBytes int64
	copies   int           // how many servers should keep the stream
	exact    bool          // fewer copies are an error
	spread   bool          // other replicas may work on the same queue
	waitsFor func() string // what is missing while the engine does not answer

	attend func(context.Context) // what is to be done until it stops; nil = nothing

	server *server.Server // nil when it is outside
	conn   *nats.Conn
	api    string // what the subjects of JetStream's API begin with
	js     jetstream.JetStream
	stream jetstream.Stream
	board  jetstream.KeyValue
	failed atomic.Bool // the disk under the store

	consuming sync.Mutex // held while a consumer is asked for
}

// connect makes the connection and its JetStream client.
func (e *engine) connect(url, domain string, log *slog.Logger, options ...nats.Option) (err error) {
	options = append(options, nats.Name("packseal"), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("the connection to the queue complains", "err", err)
		}))
	if e.conn, err = nats.Connect(url, options...); err != nil {
		return fmt.Errorf("connecting to the queue's engine: %w", err)
	}
	if domain == "" {
		e.api = jetstream.DefaultAPIPrefix
		e.js, err = jetstream.New(e.conn)
	} else {
		e.api = "$JS." + domain + ".API."
		e.js, err = jetstream.NewWithDomain(e.conn, domain)
	}
	if err != nil {
		return fmt.Errorf("connecting to the queue's engine: %w", err)
	}
	return nil
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

// Noticef, Debugf and Tracef implement the engine's logger: they are for debugging.
func (l logger) Noticef(format string, v ...any) { l.debug(format, v) }

// Debugf is as Noticef.
func (l logger) Debugf(format string, v ...any) { l.debug(format, v) }

// Tracef is as Noticef.
func (l logger) Tracef(format string, v ...any) { l.debug(format, v) }

// Warnf, Errorf and Fatalf are warnings: the queue ends nothing but itself.
func (l logger) Warnf(format string, v ...any) { l.warn(format, v) }

// Errorf is as Warnf.
func (l logger) Errorf(format string, v ...any) { l.warn(format, v) }

// Fatalf is as Warnf.
func (l logger) Fatalf(format string, v ...any) { l.warn(format, v) }

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
