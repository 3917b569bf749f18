package fetcher

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"packseal.example/internal/egress"
	"packseal.example/internal/fault"
)

// road is the way downloads go. A link's host is permitted by its name, but
// whoever has a hand in the name's addresses could lead us to what only this
// machine may ask: its own services, and the cloud's metadata, which hands out
// credentials. So the address is looked at too, once it is known and before
// anything is sent to it, for each redirect anew.
//
// Behind a proxy the address is the proxy's affair: it looks the name up.
type road struct {
	proxy   func(*http.Request) (*url.URL, error)
	direct  *http.Transport
	proxied *http.Transport
}

// newRoad makes the way for a source's downloads; resolver is nil but in tests.
func newRoad(b Bounds, resolver *net.Resolver) (*road, error) {
	g := guard{resolver: resolver}
	for _, s := range b.LinkNetworks {
		network, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fault.New(fault.Request, "link_networks: %q is no network", s)
		}
		g.networks = append(g.networks, network)
	}
	direct, err := egress.New(egress.Options{CAFile: b.CAFile, Conns: max(b.MaxInFlight, 2)})
	if err != nil {
		return nil, err
	}
	direct.DisableCompression = true // lengths and sums are of the bytes as stored
	proxied := direct.Clone()
	direct.Proxy, direct.DialContext = nil, g.dial
	return &road{proxy: http.ProxyFromEnvironment, direct: direct, proxied: proxied}, nil
}

// RoundTrip implements [http.RoundTripper].
func (r *road) RoundTrip(req *http.Request) (*http.Response, error) {
	if proxy, err := r.proxy(req); proxy != nil || err != nil {
		return r.proxied.RoundTrip(req)
	}
	return r.direct.RoundTrip(req)
}

// guard connects to where a link may lead.
type guard struct {
	networks []netip.Prefix
	resolver *net.Resolver
}

// dial connects to host and port, at an address that is permitted.
func (g guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: 10 * time.Second, Resolver: g.resolver}
	d.Control = func(_, to string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(to)
		if err != nil {
			return fmt.Errorf("reading the address: %w", err)
		}
		return g.allow(strings.ToLower(host), at.Addr())
	}
	return d.DialContext(ctx, network, address)
}

// allow refuses addresses at which no store is. A link whose own host is a
// loopback address, which is permitted by name, may lead to one.
//
// The error is of the kind that passes: a name that is led astray today may be
// right again before the slot's time is over.
func (g guard) allow(host string, ip netip.Addr) error {
	ip = embedded(ip)
	what := forbidden(ip)
	if what == "" || ip.IsLoopback() && loopback(host) {
		return nil
	}
	for _, n := range g.networks {
		if n.Contains(ip) {
			return nil
		}
	}
	e := fault.New(fault.Unavailable, "the link's host %s leads to %s, %s", host, ip, what)
	return e.WithHint("see what answers for this name; if reports are fetched from there, add %q to the source's link_networks", netip.PrefixFrom(ip, ip.BitLen()))
}

// embedded returns the IPv4 address that an IPv6 address stands for, if it
// does, and takes away the zone.
func embedded(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if nat64 := netip.MustParsePrefix("64:ff9b::/96"); nat64.Contains(ip) {
		b := ip.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return ip
}

// forbidden says what is special about an address at which no store is, or
// "". Private networks are not special: endpoints within a VPC are there.
func forbidden(ip netip.Addr) string {
	metadata := []string{ // those that are no link-local addresses
		"100.100.100.200", "fd00:ec2::254", "fd20:ce::254", "168.63.129.16", // Alibaba Cloud, AWS, Google Cloud, Azure
	}
	for _, m := range metadata {
		if ip == netip.MustParseAddr(m) {
			return "a cloud's metadata service"
		}
	}
	switch {
	case ip.IsLoopback():
		return "a loopback address"
	case ip.IsLinkLocalUnicast():
		return "a link-local address"
	case ip.IsMulticast():
		return "a multicast address"
	case ip.IsUnspecified(), ip.Is4() && (ip.As4()[0] == 0 || ip.As4()[0] >= 240):
		return "no host's address"
	}
	return ""
}
