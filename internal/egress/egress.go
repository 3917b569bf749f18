// Package egress makes the HTTP transports by which packseal calls others,
// under one set of rules: TLS 1.2 or later, the proxy that the environment
// names, bounded waits, bounded headers.
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

// maxHeader bounds the headers of an answer, in bytes. The library's own
// bound is 10 MiB.
const maxHeader = 64 << 10

// maxCA bounds a file of certificates, in bytes: all that the web trusts take
// a quarter of it.
const maxCA = 1 << 20

// Options say what is special about a transport. A zero field means its default.
type Options struct {
	CAFile string        // PEM certificates to trust besides the system's; default none
	Conns  int           // connections kept to one host while they are idle; default the library's 2
	Idle   time.Duration // how long they are kept; default 90s
}

// New makes a transport. The caller may change what is its own affair.
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

// load adds a file's certificates to those that the system trusts.
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
		roots = x509.NewCertPool() // a machine without any, such as a bare container
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fault.New(fault.Request, "%s holds no certificate", file)
	}
	return roots, nil
}

// CheckCA returns what is wrong with a file of certificates, under the key path.
func CheckCA(path, file string) []fault.Problem {
	if file == "" {
		return nil
	}
	if _, err := load(file); err != nil {
		return []fault.Problem{{Path: path, Message: err.Error(), Hint: "name a file of PEM certificates that this user can read"}}
	}
	return nil
}
