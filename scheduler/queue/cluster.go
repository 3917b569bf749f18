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

// maxCopies is how many replicas keep each slot at most, which is the server's
// own limit. A slot is available while more than half of its copies are: of three
// replicas one may be gone, of five any two, and of seven also any two.
const maxCopies = 5

// resolveEvery is how often the replicas' addresses are looked up.
const resolveEvery = 5 * time.Second

// routes join a server to those of the other replicas.
type routes struct {
	Cluster
	log     *slog.Logger
	options *server.Options
	static  []*url.URL // that the options came with
	lookup  func(ctx context.Context, host string) ([]string, error)
	user    *url.Userinfo // never in a log: the server redacts it
}

// errSetup is an error that a new store would not cure.
var errSetup = errors.New("the queue's server cannot be set up")

// join starts a server that is one of a cluster. It does not wait for others.
func join(o Options, c Cluster) (*broker, error) {
	r := &routes{Cluster: c, log: o.Logger, lookup: net.DefaultResolver.LookupHost}
	var err error
	if r.options, err = r.serverOptions(o); err != nil {
		return nil, fmt.Errorf("%w: %w", errSetup, err)
	}
	b := &broker{
		prefix: defaultPrefix, maxBytes: o.embedded().maxBytes(), log: o.Logger,
		copies: min(c.size(), maxCopies), exact: true, shared: true,
	}
	b.waitsFor = func() string {
		return fmt.Sprintf("more than half of %d replicas, at the very first start for all; %d are here", c.size(), connected(b.server))
	}
	if err := b.serve(r.options); err != nil {
		return nil, err
	}
	if c.DNS != "" {
		b.follow = func(ctx context.Context) { r.follow(ctx, b.server) }
	}
	return b, nil
}

// connected returns how many replicas there are, including this one. A route to
// one that refuses us is gone within a second.
func connected(s *server.Server) int {
	names := map[string]bool{s.Name(): true}
	if routez, err := s.Routez(nil); err == nil {
		for _, route := range routez.Routes {
			if time.Since(route.Start) > time.Second {
				names[route.RemoteName] = true
			}
		}
	}
	return len(names)
}

// serverOptions are those of a server alone and what makes it a member.
func (r *routes) serverOptions(o Options) (*server.Options, error) {
	so := serverOptions(o)
	var err error
	if so.ServerName = r.Member; so.ServerName == "" {
		if so.ServerName, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("naming this replica: %w", err)
		}
	}
	// The server starts no routing without a port for clients. It gets one
	// that only this machine reaches, behind a password that nobody knows.
	so.Host, so.Port = "127.0.0.1", server.RANDOM_PORT
	so.ReconnectErrorReports = 300                     // a replica that is gone is tried several times a second
	so.LameDuckDuration, so.LameDuckGracePeriod = 2, 1 // it waits for no client when it ends: ours is gone by then
	host, port, err := net.SplitHostPort(r.listen())
	if err != nil {
		return nil, err
	}
	so.Cluster.PingInterval = 5 * time.Second // a silent connection is given up after a few
	so.Cluster.Name, so.Cluster.Host = r.name(), cmp.Or(host, "0.0.0.0")
	if so.Cluster.Port, err = strconv.Atoi(port); err != nil {
		return nil, err
	}
	if err := r.free(); err != nil {
		return nil, err
	}
	if r.TokenFile != "" {
		token, err := r.TokenFile.Read()
		if err != nil {
			return nil, err
		}
		so.Cluster.Username, so.Cluster.Password = clusterUser, token.Reveal()
		r.user = url.UserPassword(clusterUser, token.Reveal())
	}
	if r.TLS != nil {
		so.Cluster.TLSConfig, so.Cluster.TLSTimeout = r.TLS.files().Peer(), 5
	}
	for _, address := range r.Routes {
		so.Routes = append(so.Routes, r.route(address))
	}
	// The number of routes tells a new server how many others there are. With
	// too few of them, two halves could each take themselves for the cluster.
	for r.DNS != "" && len(so.Routes) < r.size() {
		so.Routes = append(so.Routes, r.route(r.DNS))
	}
	r.static = so.Routes
	return so, nil
}

// free reports clearly, which the server does not, that the port is taken.
func (r *routes) free() error {
	l, err := net.Listen("tcp", r.listen())
	if err != nil {
		return fault.New(fault.Unavailable, "opening the port for other replicas: %w", err).
			WithHint("queue.embedded.cluster.listen sets another one")
	}
	return l.Close()
}

func (r *routes) route(address string) *url.URL {
	return &url.URL{Scheme: "nats", Host: address, User: r.user}
}

// follow keeps the routes up to date with the addresses behind the DNS name,
// until ctx ends. The server itself looks the name up until it is connected to
// somebody; if that was too early for the others, it would stay alone.
func (r *routes) follow(ctx context.Context, s *server.Server) {
	var known []string
	for {
		addresses, err := r.addresses(ctx)
		switch {
		case err != nil:
			r.log.DebugContext(ctx, "replica addresses not resolved", "err", err)
		case !slices.Equal(addresses, known):
			o := r.options.Clone()
			o.Routes = slices.Clone(r.static)
			for _, a := range addresses {
				o.Routes = append(o.Routes, r.route(a))
			}
			if err := s.ReloadOptions(o); err != nil {
				r.log.WarnContext(ctx, "replica addresses not applied", "err", err)
				break
			}
			r.log.InfoContext(ctx, "replica addresses changed", "addresses", addresses)
			known = addresses
		}
		if !fault.Sleep(ctx, resolveEvery) {
			return
		}
	}
}

// addresses returns the replicas' current addresses, sorted.
func (r *routes) addresses(ctx context.Context) ([]string, error) {
	host, port, err := net.SplitHostPort(r.DNS)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, resolveEvery)
	defer cancel()
	ips, err := r.lookup(ctx, host)
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
