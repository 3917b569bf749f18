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

// transport is the transport for downloads. It protects against server-side
// request forgery: the host of a link is permitted by name, but whoever controls
// its DNS records could point it at services of this machine or at the metadata
// service of the cloud, which hands out credentials. So the address is checked
// too, after it is resolved and before anything is sent, for each redirect.
//
// With a proxy, the proxy resolves the name, and no address is checked.
type transport struct {
	proxy   func(*http.Request) (*url.URL, error)
	direct  *http.Transport
	proxied *http.Transport
}

// newTransport returns the transport for a source. Only tests set a resolver.
func newTransport(b Bounds, resolver *net.Resolver) (*transport, error) {
	g := dialGuard{resolver: resolver}
	for _, s := range b.LinkNetworks {
		network, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fault.New(fault.Request, "link_networks: %q is not a network", s)
		}
		g.networks = append(g.networks, network)
	}
	direct, err := egress.New(egress.Options{CAFile: b.CAFile, Conns: max(b.MaxInFlight, 2)})
	if err != nil {
		return nil, err
	}
	direct.DisableCompression = true // lengths and checksums are those of the stored bytes
	proxied := direct.Clone()
	direct.Proxy, direct.DialContext = nil, g.dial
	return &transport{proxy: http.ProxyFromEnvironment, direct: direct, proxied: proxied}, nil
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if proxy, err := t.proxy(req); proxy != nil || err != nil {
		return t.proxied.RoundTrip(req)
	}
	return t.direct.RoundTrip(req)
}

// dialGuard dials only permitted addresses.
type dialGuard struct {
	networks []netip.Prefix
	resolver *net.Resolver
}

// dial connects to host:port if it resolves to a permitted address.
func (g dialGuard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: 10 * time.Second, Resolver: g.resolver}
	d.Control = func(_, to string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(to)
		if err != nil {
			return fmt.Errorf("parsing the address: %w", err)
		}
		return g.allow(strings.ToLower(host), at.Addr())
	}
	return d.DialContext(ctx, network, address)
}

// allow returns an error for addresses that no store has. A loopback address is
// permitted if it is itself the host of the link.
//
// The error is transient: the DNS record may be corrected before the slot times
// out.
func (g dialGuard) allow(host string, ip netip.Addr) error {
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
	e := fault.New(fault.Unavailable, "the link's host %s resolves to %s, %s", host, ip, what)
	return e.WithHint("check the DNS records of this name; if the store is there, add %q to link_networks of the source", netip.PrefixFrom(ip, ip.BitLen()))
}

// embedded returns the IPv4 address that is embedded in an IPv6 address, if any,
// and removes the zone.
func embedded(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if nat64 := netip.MustParsePrefix("64:ff9b::/96"); nat64.Contains(ip) {
		b := ip.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return ip
}

// forbidden returns why a store cannot have this address, or "". Private networks
// are permitted: they have the endpoints within a VPC.
func forbidden(ip netip.Addr) string {
	metadata := []string{ // other than link-local addresses
		"100.100.100.200", "fd00:ec2::254", "fd20:ce::254", "168.63.129.16", // Alibaba Cloud, AWS, Google Cloud, Azure
	}
	for _, m := range metadata {
		if ip == netip.MustParseAddr(m) {
			return "a cloud metadata service"
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
		return "not the address of a host"
	}
	return ""
}
