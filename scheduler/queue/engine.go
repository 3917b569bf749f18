package queue

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

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

	server  *server.Server // nil when it is outside
	conn    *nats.Conn
	api     string // what the subjects of JetStream's API begin with
	js      jetstream.JetStream
	stream  jetstream.Stream
	board   jetstream.KeyValue
	failed  atomic.Bool  // the disk under the store
	refused atomic.Int64 // when a replica was not let in last, and that was said

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
// waits until the files are closed. A server that leads others hands that on
// first: they would only miss it after some seconds. Before that it gets the
// time to tell them what it was told last: a leader that steps down forgets it,
// and a slot that was given back would wait for [ackWait] all the same.
func (e *engine) stop() {
	if e.conn != nil {
		e.conn.Close()
	}
	if e.server != nil {
		if e.spread {
			time.Sleep(tellTime)
			e.server.LameDuckShutdown()
		}
		e.server.Shutdown() // when it has not come so far
		e.server.WaitForShutdown()
	}
}

// tellTime is enough for a message to the other servers and back.
const tellTime = time.Second / 4
