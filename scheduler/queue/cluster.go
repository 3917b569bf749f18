package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"packseal.example/internal/fault"
)

// clusterUser is the name that goes with the token between replicas.
const clusterUser = "packseal"

// mostCopies is how many replicas keep each slot at most, which is the engine's
// own bound. A slot is at hand while more than half of its copies are: of three
// replicas one may be gone, of five any two, and of seven also any two.
const mostCopies = 5

// resolveEvery is how often it is looked where the replicas are.
const resolveEvery = 5 * time.Second

// membership is what joins an engine to those of the other replicas.
type membership struct {
	Cluster
	log     *slog.Logger
	options *server.Options
	routes  []*url.URL // that the options came with
	lookup  func(ctx context.Context, host string) ([]string, error)
	user    *url.Userinfo // never in a log: the engine redacts it
}

// join starts an engine that is one of a cluster. It does not wait for others.
func join(o Options, c Cluster) (*engine, error) {
	m := &membership{Cluster: c, log: o.Logger, lookup: net.DefaultResolver.LookupHost}
	var err error
	if m.options, err = m.serverOptions(o); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoDamage, err)
	}
	e := &engine{
		prefix: defaultPrefix, maxBytes: o.embedded().maxBytes(),
		copies: min(c.size(), mostCopies), exact: true, spread: true,
	}
	e.waitsFor = func() string {
		return fmt.Sprintf("more than half of %d replicas, at the very first start for all; %d are here", c.size(), here(e.server))
	}
	if err := e.serve(m.options, o.Logger); err != nil {
		return nil, err
	}
	if c.DNS != "" {
		e.attend = func(ctx context.Context) { m.follow(ctx, e.server) }
	}
	return e, nil
}

// here returns how many replicas there are, with this one. A route to one that
// does not let us in is gone before a second is over.
func here(s *server.Server) int {
	names := map[string]bool{s.Name(): true}
	if routes, err := s.Routez(nil); err == nil {
		for _, r := range routes.Routes {
			if time.Since(r.Start) > time.Second {
				names[r.RemoteName] = true
			}
		}
	}
	return len(names)
}

// serverOptions are those of an engine alone and what makes it a member.
func (m *membership) serverOptions(o Options) (*server.Options, error) {
	so := serverOptions(o)
	var err error
	if so.ServerName = m.Member; so.ServerName == "" {
		if so.ServerName, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("naming this replica: %w", err)
		}
	}
	// The engine starts no routing without a port for clients. It gets one
	// that only this machine reaches, behind a password that nobody knows.
	so.Host, so.Port = "127.0.0.1", server.RANDOM_PORT
	so.ReconnectErrorReports = 300                     // a replica that is gone is tried several times a second
	so.LameDuckDuration, so.LameDuckGracePeriod = 2, 1 // at its end it waits for no client: ours is gone before
	host, port, err := net.SplitHostPort(m.listen())
	if err != nil {
		return nil, err
	}
	so.Cluster.PingInterval = 5 * time.Second // a line that is silent is given up after a few
	so.Cluster.Name, so.Cluster.Host = m.name(), cmp.Or(host, "0.0.0.0")
	if so.Cluster.Port, err = strconv.Atoi(port); err != nil {
		return nil, err
	}
	if err := m.free(); err != nil {
		return nil, err
	}
	if m.TokenFile != "" {
		token, err := m.TokenFile.Read()
		if err != nil {
			return nil, err
		}
		so.Cluster.Username, so.Cluster.Password = clusterUser, token.Reveal()
		m.user = url.UserPassword(clusterUser, token.Reveal())
	}
	if m.TLS != nil {
		so.Cluster.TLSConfig, so.Cluster.TLSTimeout = m.TLS.members(), 5
	}
	for _, r := range m.Routes {
		so.Routes = append(so.Routes, m.route(r))
	}
	// The number of routes tells a new engine how many others there are. Too
	// few of them, and two halves could each take themselves for the cluster.
	for m.DNS != "" && len(so.Routes) < m.size() {
		so.Routes = append(so.Routes, m.route(m.DNS))
	}
	m.routes = so.Routes
	return so, nil
}

// free reports clearly, which the engine does not, that the port is taken.
func (m *membership) free() error {
	l, err := net.Listen("tcp", m.listen())
	if err != nil {
		return fault.New(fault.Unavailable, "opening the port for other replicas: %w", err).
			WithHint("queue.embedded.cluster.listen sets another one")
	}
	return l.Close()
}

func (m *membership) route(address string) *url.URL {
	return &url.URL{Scheme: "nats", Host: address, User: m.user}
}

// follow keeps the routes in step with the addresses behind the DNS name,
// until ctx ends. The engine itself looks a name up until it is connected to
// somebody; when that was too early for the others, it would stay alone.
func (m *membership) follow(ctx context.Context, s *server.Server) {
	var known []string
	for {
		addresses, err := m.addresses(ctx)
		switch {
		case err != nil:
			m.log.DebugContext(ctx, "the other replicas could not be looked up", "err", err)
		case !slices.Equal(addresses, known):
			o := m.options.Clone()
			o.Routes = slices.Clone(m.routes)
			for _, a := range addresses {
				o.Routes = append(o.Routes, m.route(a))
			}
			if err := s.ReloadOptions(o); err != nil {
				m.log.WarnContext(ctx, "the addresses of the other replicas could not be taken up", "err", err)
				break
			}
			m.log.InfoContext(ctx, "replicas have been looked up", "addresses", addresses)
			known = addresses
		}
		if !fault.Sleep(ctx, resolveEvery) {
			return
		}
	}
}

// addresses returns where the replicas are now, in order.
func (m *membership) addresses(ctx context.Context) ([]string, error) {
	host, port, err := net.SplitHostPort(m.DNS)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, resolveEvery)
	defer cancel()
	ips, err := m.lookup(ctx, host)
	if err == nil && len(ips) == 0 {
		err = errors.New("no address")
	}
	if err != nil {
		return nil, fmt.Errorf("looking up %s: %w", host, err)
	}
	slices.Sort(ips)
	for i := range ips {
		ips[i] = net.JoinHostPort(ips[i], port)
	}
	return slices.Compact(ips), nil
}
