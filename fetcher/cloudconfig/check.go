package cloudconfig

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/egress"
	"packseal.example/internal/fault"
)

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
		MaxInFlight: o.maxInFlight(), LinkHosts: hosts, LinkNetworks: o.LinkNetworks, AllowHTTP: o.AllowHTTP, CAFile: o.CAFile,
	}
}

// The defaults. Alibaba Cloud publishes no figure for the calls it allows, so
// the rate is a careful guess, and a source slows down further when it is told
// to. The in-flight bound is on reports in the making, each of which costs a
// poll now and then, and no more.
func (o *Options) maxInFlight() int              { return cmp.Or(o.MaxInFlight, 64) }
func (o *Options) requestsPerSecond() float64    { return cmp.Or(o.RequestsPerSecond, 5) }
func (o *Options) requestTimeout() time.Duration { return cmp.Or(o.RequestTimeout, 30*time.Second) }

// parseEndpoint reads the API's address. One without a scheme is https.
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
		return fail(example, "the endpoint is no address")
	case u.User != nil:
		return fail("credentials have an entry of their own", "the endpoint has a user or password in it")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return fail("scheme and host alone", "the endpoint has more than scheme and host")
	case u.Scheme == "http" && !allowHTTP && !loopback(u.Hostname()):
		return fail("use https, or set allow_http: true if the calls may be read on their way", "the endpoint is not https")
	case u.Scheme != "http" && u.Scheme != "https":
		return fail(example, "the endpoint's scheme is %.20q", u.Scheme)
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host), Path: "/"}, nil
}

// loopback reports whether a host can only be this machine. Names are not
// looked up: what they resolve to may change between the check and the call.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// problems collects what is wrong.
type problems []fault.Problem

func (ps *problems) add(wrong bool, path, hint, message string) {
	if wrong {
		*ps = append(*ps, fault.Problem{Path: path, Message: message, Hint: hint})
	}
}

// linkHost is a host name, or a domain's with "*." before it.
var linkHost = regexp.MustCompile(`^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)

// Check implements [fetcher.Opener].
func (o *Options) Check() []fault.Problem {
	var ps problems
	if _, err := parseEndpoint(o.Endpoint, o.AllowHTTP); err != nil {
		ps.add(true, "endpoint", fault.Hint(err), err.Error())
	}
	ps.add(o.RequestsPerSecond < 0 || math.IsNaN(o.RequestsPerSecond) || math.IsInf(o.RequestsPerSecond, 0),
		"requests_per_second", "leave it out for 5", "must be a number over 0")
	ps.add(o.MaxInFlight < 0, "max_in_flight", "leave it out for 64", "must be over 0")
	ps.add(o.RequestTimeout < 0, "request_timeout", "leave it out for 30s", "must be over 0")
	for i, h := range o.LinkHosts {
		_, notIP := netip.ParseAddr(h)
		ps.add(!linkHost.MatchString(h) && notIP != nil, fmt.Sprintf("link_hosts[%d]", i),
			`a host without scheme and port, or "*.example.com" for a whole domain`, fmt.Sprintf("%.80q is no host", h))
	}
	for i, n := range o.LinkNetworks {
		_, err := netip.ParsePrefix(n)
		ps.add(err != nil, fmt.Sprintf("link_networks[%d]", i), "an address and a length: 127.0.0.1/32", fmt.Sprintf("%.80q is no network", n))
	}
	ps = append(ps, egress.CheckCA("ca_file", o.CAFile)...)
	if o.Credentials != nil {
		ps = append(ps, o.Credentials.check()...)
	}
	return ps
}
