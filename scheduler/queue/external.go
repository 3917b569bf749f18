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

// dial connects to external NATS servers and opens the stream, however long it
// takes until they are reachable and accept our credentials.
func dial(ctx context.Context, o Options) (*stream, error) {
	n := *o.NATS
	b := &broker{
		prefix: n.prefix(), maxBytes: n.maxBytes(), log: o.Logger,
		copies: cmp.Or(n.Replicas, 3), exact: n.Replicas > 0, shared: true,
		waitsFor: func() string { return strings.Join(n.Servers, ", ") },
	}
	s := &stream{broker: b}
	options, err := n.options(o.Logger)
	if err != nil {
		return nil, err
	}
	if err = b.connect(strings.Join(n.Servers, ","), n.Domain, options...); err == nil {
		err = s.await(ctx, o.Timing.WaitReport)
	}
	if err != nil {
		b.stop()
		return nil, err
	}
	return s, nil
}

// options say how to connect.
func (n NATS) options(log *slog.Logger) ([]nats.Option, error) {
	options := []nats.Option{
		nats.RetryOnFailedConnect(true),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("queue connection lost", "err", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			log.Info("queue connection restored", "server", c.ConnectedUrlRedacted())
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
		config, err := n.TLS.files().Client()
		if err != nil {
			return nil, err
		}
		options = append(options, nats.Secure(config))
	}
	return options, nil
}
