package bucket

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Prefix returns the prefix of all keys with its slash, or empty.
func Prefix(prefix string) string {
	if p := strings.Trim(prefix, "/"); p != "" {
		return p + "/"
	}
	return ""
}

// CheckPrefix checks the prefix of all keys.
func CheckPrefix(ps *fault.Problems, prefix string) {
	ps.Require(prefix == "" || sink.CheckKey(strings.Trim(prefix, "/")) == nil, "prefix", fmt.Sprintf("%.64q is not a valid key prefix", prefix), "such as: packseal")
}

// CheckWord checks a setting that takes one of some words.
func CheckWord(ps *fault.Problems, path, value string, words ...string) {
	message := "missing"
	if value != "" {
		message = fmt.Sprintf("unknown value %.64q", value)
	}
	ps.Require(slices.Contains(words, value), path, message, "one of: "+strings.Join(words, ", "))
}

// CheckDays checks a retention of at least a day.
func CheckDays(ps *fault.Problems, path string, days, most int) {
	message := "missing, or 0"
	if days != 0 {
		message = fmt.Sprintf("%d days", days)
	}
	ps.Require(days >= 1 && days <= most, path, message, fmt.Sprintf("from 1 to %d", most))
}

// CheckExtend checks how many days before its end a lock of so many days is extended.
func CheckExtend(ps *fault.Problems, path string, extend, days int) {
	ps.Require(extend == 0 || extend >= 1 && extend < max(days, 2), path, fmt.Sprintf("%d days", extend),
		"less than days, such as a tenth of them; leave it out to extend nothing")
}

// Endpoint is the endpoint of a store.
type Endpoint struct {
	URL       string // empty: the store's own
	Bucket    string
	InPath    bool   // the bucket is in the path, or the endpoint is of the bucket alone
	AllowHTTP bool   // also of a host that is not a loopback address
	Example   string // without bucket, path or user
}

// Check checks the endpoint and returns it, or nil.
func (e Endpoint) Check(ps *fault.Problems) *url.URL {
	if e.URL == "" {
		return nil
	}
	u, err := url.Parse(e.URL)
	// The message does not quote the endpoint, which may hold a password.
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" ||
		strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		ps.Require(false, "endpoint", "not a URL with only a scheme and a host", "such as "+e.Example+", without bucket, path or user")
		return nil
	}
	// With the bucket in the path, a store's own name may well begin like the bucket's.
	if host, ok := strings.CutPrefix(strings.ToLower(u.Host), strings.ToLower(e.Bucket)+"."); ok && e.Bucket != "" && !e.InPath {
		ps.Require(false, "endpoint", "the bucket is in the host name already, and would be put there twice", "leave it out: "+u.Scheme+"://"+host)
	}
	loopback := u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
	ps.Require(u.Scheme == "https" || loopback || e.AllowHTTP, "endpoint", "http sends evidence in cleartext", "use https, or set allow_http: true")
	return u
}

// Refused returns the first problem of a configuration as an error, or nil.
func Refused(problems []fault.Problem) error {
	for _, p := range problems {
		if !p.Warning {
			return fault.New(fault.SinkDenied, "%s: %s", p.Path, p.Message).WithHint("%s", p.Hint)
		}
	}
	return nil
}
