package cloudconfig

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/egress"
	"packseal.example/internal/fault"
	"packseal.example/internal/ram"
)

// Options configure a source. They are the `cloudconfig` entry of a source in the
// configuration file. A zero field means its default.
type Options struct {
	Endpoint          string         `yaml:"endpoint"`                      // endpoint of the API, such as https://config.cn-shanghai.aliyuncs.com for the China site; required
	AllowHTTP         bool           `yaml:"allow_http,omitempty"`          // permit http:// for endpoints and links other than on loopback addresses
	RequestsPerSecond float64        `yaml:"requests_per_second,omitempty"` // rate limit of API calls, over all replicas; default 5
	CallsPerMinute    map[string]int `yaml:"calls_per_minute,omitempty"`    // rate limits of calls by their names, over all replicas, where the account's quotas are not those that Alibaba Cloud publishes; default: those, and for others what throttled calls show
	MaxInFlight       int            `yaml:"max_in_flight,omitempty"`       // limit on reports that are generated at once, over all replicas; default 64
	RequestTimeout    time.Duration  `yaml:"request_timeout,omitempty"`     // timeout of a single API call; default 30s
	LinkHosts         []string       `yaml:"link_hosts,omitempty"`          // hosts that links to reports may point to, "*.example.com" for a whole domain; default *.aliyuncs.com, and the host of the endpoint if that is a loopback address
	LinkNetworks      []string       `yaml:"link_networks,omitempty"`       // special networks (CIDR) that these hosts may be in: loopback, link-local, multicast, metadata services; default none
	CAFile            string         `yaml:"ca_file,omitempty"`             // PEM certificates to trust in addition to the system's, for the API and links
	Credentials       *Credentials   `yaml:"credentials,omitempty"`         // default: the Alibaba Cloud SDK credential chain (environment, OIDC, profile, ECS role, URI)
}

// Credentials are how calls are signed.
type Credentials = ram.Credentials

// Open implements [fetcher.Opener].
func (o *Options) Open(env fetcher.Env) (fetcher.Source, error) { return New(*o, env, nil) }

// Bounds implements [fetcher.Opener].
func (o *Options) Bounds() fetcher.Bounds {
	hosts := o.LinkHosts
	if len(hosts) == 0 {
		hosts = []string{"*.aliyuncs.com"}
		if u, err := parseEndpoint(o.Endpoint, o.AllowHTTP); err == nil && loopback(u.Hostname()) {
			hosts = append(hosts, u.Hostname())
		}
	}
	return fetcher.Bounds{
		RequestsPerSecond: o.requestsPerSecond(),
		MaxInFlight:       o.maxInFlight(), LinkHosts: hosts, LinkNetworks: o.LinkNetworks, AllowHTTP: o.AllowHTTP, CAFile: o.CAFile,
	}
}

// The defaults. Alibaba Cloud does not document the rate limit of the API, so this
// is a conservative guess; a client that is throttled slows down further. A report
// in flight costs little: an occasional poll.
func (o *Options) maxInFlight() int              { return cmp.Or(o.MaxInFlight, 64) }
func (o *Options) requestsPerSecond() float64    { return cmp.Or(o.RequestsPerSecond, 5) }
func (o *Options) requestTimeout() time.Duration { return cmp.Or(o.RequestTimeout, 30*time.Second) }

// parseEndpoint parses the endpoint. The default scheme is https.
func parseEndpoint(s string, allowHTTP bool) (*url.URL, error) {
	fail := func(hint, format string, args ...any) (*url.URL, error) {
		return nil, fault.New(fault.Request, format, args...).WithHint("%s", hint)
	}
	const example = "https://config.cn-shanghai.aliyuncs.com for the China site, https://config.ap-southeast-1.aliyuncs.com for the international one"
	if s == "" {
		return fail(example, "no endpoint")
	}
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "" || strings.ContainsFunc(u.Host, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fail(example, "the endpoint is not a URL")
	case u.User != nil:
		return fail("credentials go under credentials", "the endpoint has a user name or password")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return fail("give scheme and host only", "the endpoint has a path, query or fragment")
	case u.Scheme == "http" && !allowHTTP && !loopback(u.Hostname()):
		return fail("use https, or set allow_http: true if calls may be sent in cleartext", "the endpoint is not https")
	case u.Scheme != "http" && u.Scheme != "https":
		return fail(example, "the endpoint's scheme is %.20q", u.Scheme)
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host), Path: "/"}, nil
}

// loopback reports whether host is a loopback address or localhost. Other names
// are not resolved: the result may change between the check and the call.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// linkHost matches a host name, or "*." and a domain.
var linkHost = regexp.MustCompile(`^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)

// Check implements [fetcher.Opener].
func (o *Options) Check() []fault.Problem {
	var ps fault.Problems
	if _, err := parseEndpoint(o.Endpoint, o.AllowHTTP); err != nil {
		ps.Require(false, "endpoint", err.Error(), fault.Hint(err))
	}
	ps.Require(o.RequestsPerSecond >= 0 && !math.IsInf(o.RequestsPerSecond, 0), "requests_per_second", "must be greater than 0", "remove it for the default, 5")
	known := callNames()
	for _, name := range sortedKeys(o.CallsPerMinute) {
		path := "calls_per_minute." + name
		ps.Require(slices.Contains(known, name), path, "no call that packseal makes", "one of "+strings.Join(known, ", "))
		ps.Require(o.CallsPerMinute[name] > 0, path, "must be greater than 0", "remove it for the default")
	}
	ps.Require(o.MaxInFlight >= 0, "max_in_flight", "must be greater than 0", "remove it for the default, 64")
	ps.Require(o.RequestTimeout >= 0, "request_timeout", "must be greater than 0", "remove it for the default, 30s")
	for i, h := range o.LinkHosts {
		_, notIP := netip.ParseAddr(h)
		ps.Require(linkHost.MatchString(h) || notIP == nil, fmt.Sprintf("link_hosts[%d]", i),
			fmt.Sprintf("%.80q is not a host", h), `a host without scheme and port, or "*.example.com" for a whole domain`)
	}
	for i, n := range o.LinkNetworks {
		_, err := netip.ParsePrefix(n)
		ps.Require(err == nil, fmt.Sprintf("link_networks[%d]", i), fmt.Sprintf("%.80q is not a network", n), "an address and a prefix length: 127.0.0.1/32")
	}
	ps = append(ps, egress.CheckCA("ca_file", o.CAFile)...)
	return append(ps, o.Credentials.Check()...)
}
