// Package egress makes the HTTP transports for all outgoing requests, under one
// set of rules: TLS 1.2 or later, the proxy of the environment, timeouts for
// connecting, and a limit on response headers.
package egress

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"packseal.example/internal/fault"
)

// maxHeader is the limit on response headers, in bytes. The default of
// net/http is 10 MiB.
const maxHeader = 64 << 10

// maxCA is the largest CA file that is read, in bytes: four times the size of
// all public root certificates.
const maxCA = 1 << 20

// Options configure a transport. A zero field means its default.
type Options struct {
	CAFile string        // PEM certificates to trust besides the system's; default none
	Conns  int           // idle connections kept per host; default 2, as in net/http
	Idle   time.Duration // how long an idle connection is kept; default 90s
}

// New returns a transport that the caller may modify before its first use.
func New(o Options) (*http.Transport, error) {
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxIdleConnsPerHost:    o.Conns,
		IdleConnTimeout:        90 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: maxHeader,
	}
	if o.Idle > 0 {
		t.IdleConnTimeout = o.Idle
	}
	if o.CAFile != "" {
		roots, err := load(o.CAFile)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig.RootCAs = roots
	}
	return t, nil
}

// load returns the system's root certificates with those of the file added.
func load(file string) (*x509.CertPool, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fault.New(fault.Request, "reading certificates: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	pem, err := io.ReadAll(io.LimitReader(f, maxCA+1))
	if err != nil {
		return nil, fault.New(fault.Request, "reading certificates: %w", err)
	}
	if len(pem) > maxCA {
		return nil, fault.New(fault.Request, "%s is over %d bytes", file, maxCA)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // the system has none, as in a minimal container
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fault.New(fault.Request, "%s contains no certificate", file)
	}
	return roots, nil
}

// CheckCA returns what is wrong with a CA file, with path as the key.
func CheckCA(path, file string) []fault.Problem {
	if file == "" {
		return nil
	}
	if _, err := load(file); err != nil {
		return []fault.Problem{{Path: path, Message: err.Error(), Hint: "name a file of PEM certificates that this user can read"}}
	}
	return nil
}
