package queue

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/nats-io/nats.go"

	"packseal.example/internal/fault"
)

// dial connects to NATS servers outside, however long it takes until they are
// there and let us in.
func dial(ctx context.Context, n NATS, log *slog.Logger) (*engine, error) {
	e := &engine{
		prefix: n.prefix(), maxBytes: n.maxBytes(),
		copies: cmp.Or(n.Replicas, 3), exact: n.Replicas > 0, spread: true,
		waitsFor: func() string { return strings.Join(n.Servers, ", ") },
	}
	options, err := n.options(log)
	if err != nil {
		return nil, err
	}
	if err = e.connect(strings.Join(n.Servers, ","), n.Domain, log, options...); err == nil {
		err = e.await(ctx, log)
	}
	if err != nil {
		e.stop()
		return nil, err
	}
	return e, nil
}

// options say how to connect.
func (n NATS) options(log *slog.Logger) ([]nats.Option, error) {
	options := []nats.Option{
		nats.RetryOnFailedConnect(true),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("the connection to the queue is lost", "err", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			log.Info("the connection to the queue is there again", "server", c.ConnectedUrlRedacted())
		}),
	}
	switch {
	case n.CredentialsFile != "": // read anew for each connection
		options = append(options, nats.UserCredentials(string(n.CredentialsFile)))
	case n.NkeyFile != "":
		option, err := nats.NkeyOptionFromSeed(string(n.NkeyFile))
		if err != nil {
			return nil, fault.Wrap(fault.Credentials, fmt.Errorf("reading the nkey: %w", err))
		}
		options = append(options, option)
	}
	if n.TLS != nil {
		config, err := n.TLS.client()
		if err != nil {
			return nil, err
		}
		options = append(options, nats.Secure(config))
	}
	return options, nil
}
