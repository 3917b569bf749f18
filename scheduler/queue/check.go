package queue

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"

	"packseal.example/internal/fault"
)

// wordPattern is what names of streams and buckets are made of.
var wordPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// word refuses a name that cannot be used; an empty one is left out.
func word(ps *fault.Problems, path, name string) {
	ps.Require(name == "" || wordPattern.MatchString(name), path, fmt.Sprintf("%.64q cannot be used as a name", name), "letters, digits, dashes and underscores, 32 at most")
}

// Check returns everything that is wrong with the entry.
func (e *Embedded) Check() []fault.Problem {
	var ps fault.Problems
	if e.Cluster != nil {
		e.Cluster.check(&ps)
	}
	return ps
}

func (c *Cluster) check(ps *fault.Problems) {
	word(ps, "cluster.name", c.Name)
	ps.Require(c.Member == "" || memberPattern.MatchString(c.Member), "cluster.member", fmt.Sprintf("%.64q cannot be used as a name", c.Member), "such as a host's name")
	ps.Require(slices.Contains([]int{3, 5, 7}, c.size()), "cluster.size", fmt.Sprintf("%d replicas cannot form a cluster", c.Size),
		"3, 5 or 7: an even number survives no more losses than the one below it, 2 none at all")
	_, port, err := net.SplitHostPort(c.listen())
	ps.Require(err == nil && isPort(port), "cluster.listen", fmt.Sprintf("%.64q is not an address and a port", c.Listen), "such as :6222")
	ps.Require((c.DNS == "") != (len(c.Routes) == 0), "cluster", "one of routes and dns says where the replicas are",
		"routes: [host1:6222, host2:6222, host3:6222], or dns: name:6222")
	for i, r := range c.Routes {
		ps.Require(isAddress(r), fmt.Sprintf("cluster.routes[%d]", i), fmt.Sprintf("%.64q is not a host and a port", r), "such as packseal-1.example.com:6222")
	}
	n := len(c.Routes)
	ps.Require(n == 0 || n == c.size() || n == c.size()-1, "cluster.routes", fmt.Sprintf("%d routes do not fit a cluster of %d", n, c.size()),
		"name each replica once; this one may be left out")
	ps.Require(c.DNS == "" || isAddress(c.DNS), "cluster.dns", fmt.Sprintf("%.64q is not a name and a port", c.DNS), "such as packseal-headless:6222")
	ps.Require(c.TokenFile != "" || c.TLS != nil, "cluster", "whoever reaches the port could join: one of token_file and tls is required",
		"token_file names a file with a long random word, the same in each replica; tls asks for certificates")
	*ps = append(*ps, c.TokenFile.Check("cluster.token_file")...)
	if c.TLS != nil {
		ps.Require(c.TLS.CAFile != "" && c.TLS.CertFile != "", "cluster.tls", "ca_file, cert_file and key_file are all required between replicas",
			"a replica is known by a certificate of a CA that signs for nothing else")
		*ps = append(*ps, c.TLS.files().Check("cluster.tls.")...)
	}
}

// Check returns everything that is wrong with the entry.
func (n *NATS) Check() []fault.Problem {
	var ps fault.Problems
	ps.Require(len(n.Servers) > 0, "servers", "missing", "servers: [nats://host:4222]")
	for i, s := range n.Servers {
		path := fmt.Sprintf("servers[%d]", i)
		u, err := url.Parse(s)
		// It may hold a password, so it is not shown.
		valid := err == nil && u.Hostname() != "" && (u.Scheme == "nats" || u.Scheme == "tls")
		ps.Require(valid, path, "not the address of a NATS server", "nats://host:4222, or tls://host:4222")
		ps.Require(!valid || u.User == nil, path, "the address holds credentials: secrets are never in this file", "credentials_file or nkey_file names a file that holds them")
	}
	ps.Require(n.CredentialsFile == "" || n.NkeyFile == "", "nkey_file", "credentials_file and nkey_file exclude each other", "keep one of them")
	ps = append(ps, n.CredentialsFile.CheckLines("credentials_file")...)
	ps = append(ps, n.NkeyFile.CheckLines("nkey_file")...)
	if n.TLS != nil {
		ps = append(ps, n.TLS.files().Check("tls.")...)
	}
	word(&ps, "domain", n.Domain)
	word(&ps, "prefix", n.Prefix)
	ps.Require(n.Replicas <= 5, "replicas", fmt.Sprintf("%d is more than JetStream takes", n.Replicas), "1, 3 or 5")
	return ps
}

// memberPattern is a host's name.
var memberPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,252})$`)

// isAddress reports whether s is a host and a port.
func isAddress(s string) bool {
	host, port, err := net.SplitHostPort(s)
	return err == nil && isPort(port) && port != "0" && (net.ParseIP(host) != nil || memberPattern.MatchString(host))
}

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 0 && n <= 65535
}
