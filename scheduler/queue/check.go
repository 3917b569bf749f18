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

const wordHint = "letters, digits, dashes and underscores, 32 at most"

// checker collects problems.
type checker []fault.Problem

// want records a problem unless ok.
func (k *checker) want(ok bool, path, hint, format string, args ...any) {
	if !ok {
		*k = append(*k, fault.Problem{Path: path, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
}

// word checks a name that may be left out.
func (k *checker) word(path, name string) {
	k.want(name == "" || wordPattern.MatchString(name), path, wordHint, "%.64q cannot be used as a name", name)
}

// Check returns everything that is wrong with the entry.
func (e *Embedded) Check() []fault.Problem {
	var k checker
	if e.Cluster != nil {
		e.Cluster.check(&k)
	}
	return k
}

func (c *Cluster) check(k *checker) {
	k.word("cluster.name", c.Name)
	k.want(c.Member == "" || memberPattern.MatchString(c.Member), "cluster.member", "such as a host's name", "%.64q cannot be used as a name", c.Member)
	k.want(slices.Contains([]int{3, 5, 7}, c.size()), "cluster.size", "3, 5 or 7: an even number survives no more losses than the one below it, 2 none at all",
		"%d replicas cannot form a cluster", c.Size)
	if _, port, err := net.SplitHostPort(c.listen()); err != nil || !isPort(port) {
		k.want(false, "cluster.listen", "such as :6222", "%.64q is not an address and a port", c.Listen)
	}
	k.want((c.DNS == "") != (len(c.Routes) == 0), "cluster", "routes: [host1:6222, host2:6222, host3:6222], or dns: name:6222",
		"one of routes and dns says where the replicas are")
	for i, r := range c.Routes {
		k.want(isAddress(r), fmt.Sprintf("cluster.routes[%d]", i), "such as packseal-1.example.com:6222", "%.64q is not a host and a port", r)
	}
	n := len(c.Routes)
	k.want(n == 0 || n == c.size() || n == c.size()-1, "cluster.routes", "name each replica once; this one may be left out",
		"%d routes do not fit a cluster of %d", n, c.size())
	k.want(c.DNS == "" || isAddress(c.DNS), "cluster.dns", "such as packseal-headless:6222", "%.64q is not a name and a port", c.DNS)
	k.want(c.TokenFile != "" || c.TLS != nil, "cluster", "token_file names a file with a long random word, the same in each replica; tls asks for certificates",
		"whoever reaches the port could join: one of token_file and tls is required")
	*k = append(*k, c.TokenFile.Check("cluster.token_file")...)
	if c.TLS != nil {
		k.want(c.TLS.CAFile != "" && c.TLS.CertFile != "", "cluster.tls", "a replica is known by a certificate of a CA that signs for nothing else",
			"ca_file, cert_file and key_file are all required between replicas")
		*k = append(*k, c.TLS.files().Check("cluster.tls.")...)
	}
}

// Check returns everything that is wrong with the entry.
func (n *NATS) Check() []fault.Problem {
	var k checker
	k.want(len(n.Servers) > 0, "servers", "servers: [nats://host:4222]", "missing")
	for i, s := range n.Servers {
		path := fmt.Sprintf("servers[%d]", i)
		u, err := url.Parse(s)
		if err != nil || u.Hostname() == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			// It may hold a password, so it is not shown.
			k.want(false, path, "nats://host:4222, or tls://host:4222", "not the address of a NATS server")
			continue
		}
		k.want(u.User == nil, path, "credentials_file or nkey_file names a file that holds them", "the address holds credentials: secrets are never in this file")
	}
	k.want(n.CredentialsFile == "" || n.NkeyFile == "", "nkey_file", "keep one of them", "credentials_file and nkey_file exclude each other")
	k = append(k, n.CredentialsFile.CheckLines("credentials_file")...)
	k = append(k, n.NkeyFile.CheckLines("nkey_file")...)
	if n.TLS != nil {
		k = append(k, n.TLS.files().Check("tls.")...)
	}
	k.word("domain", n.Domain)
	k.word("prefix", n.Prefix)
	k.want(n.Replicas <= 5, "replicas", "1, 3 or 5", "%d is more than JetStream takes", n.Replicas)
	return k
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
