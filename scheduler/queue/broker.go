package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// broker is the NATS server that keeps the queue, and the one connection to it.
// The server runs in this process, alone or in a cluster, or somewhere else.
type broker struct {
	prefix   prefix
	maxBytes int64
	copies   int           // how many servers should keep the stream
	exact    bool          // fewer copies are an error
	shared   bool          // other replicas may use the same queue
	waitsFor func() string // what is missing while the server does not answer

	follow func(context.Context) // keeps the cluster's routes up to date until ctx ends; nil = nothing to do

	log       *slog.Logger
	server    *server.Server // nil when it is external
	serverLog *logger
	conn      *nats.Conn
	api       string // what the subjects of JetStream's API begin with
	js        jetstream.JetStream
}

// bucketBytes bounds the bucket, in addition to what the slots may take.
const bucketBytes = 32 << 20

// serverOptions are what embedded servers have in common.
func serverOptions(o Options) *server.Options {
	return &server.Options{
		JetStreamLimits:    server.JSLimitOpts{DefaultMaxConsumers: -1}, // each source has one; the server's own limit is 1,000
		NoSigs:             true,
		JetStream:          true,
		StoreDir:           o.Dir,
		JetStreamMaxMemory: 1 << 20, // nothing is kept in memory only
		JetStreamMaxStore:  o.embedded().maxBytes() + bucketBytes,
	}
}

// serve starts a server and connects to it within the process.
func (b *broker) serve(so *server.Options) (err error) {
	defer func() {
		if err != nil {
			b.stop()
		}
	}()
	so.Authorization = rand.Text() // for nobody but us, should there be a port
	if b.server, err = server.NewServer(so); err != nil {
		return fmt.Errorf("creating the queue's server: %w", err)
	}
	b.serverLog = &logger{log: b.log}
	b.server.SetLogger(b.serverLog, false, false)
	b.server.Start()
	// A server that cannot open its store runs on without one.
	if b.serverLog.fatal.Load() || !b.server.JetStreamEnabled() || !b.server.ReadyForConnections(time.Minute) {
		return errors.New("starting the queue's server: it does not become ready")
	}
	return b.connect("", "", nats.InProcessServer(b.server), nats.Token(so.Authorization))
}

// connect makes the connection and its JetStream client.
func (b *broker) connect(url, domain string, options ...nats.Option) (err error) {
	options = append(options, nats.Name("packseal"), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.log.Warn("queue connection error", "err", err)
		}))
	if b.conn, err = nats.Connect(url, options...); err != nil {
		return fmt.Errorf("connecting to the queue's server: %w", err)
	}
	b.api = jetstream.DefaultAPIPrefix
	if domain != "" {
		b.api = "$JS." + domain + ".API."
	}
	if b.js, err = jetstream.NewWithAPIPrefix(b.conn, b.api); err != nil {
		return fmt.Errorf("connecting to the queue's server: %w", err)
	}
	return nil
}

// stop closes the connection and shuts the server down, as far as they exist,
// and waits until the files are closed. A server in a cluster hands over what it
// leads first: the others would miss it only after some seconds. Before that it
// gets time to replicate the latest acknowledgements: a leader that steps down
// forgets them, and a slot that was given back would wait for [ackWait] after all.
func (b *broker) stop() {
	if b.conn != nil {
		b.conn.Close()
	}
	if b.server != nil {
		if b.shared {
			time.Sleep(replicationTime)
			b.server.LameDuckShutdown()
		}
		b.server.Shutdown() // if it has not got that far
		b.server.WaitForShutdown()
	}
}

// replicationTime is enough for a message to the other servers and back.
const replicationTime = time.Second / 4
