// Package certfile makes TLS configurations from certificates in files. The
// files are read for each connection, so that new ones need no restart.
package certfile

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
)

// Files are the PEM files of one side of a connection. Each may be left out, but
// a certificate and its key need each other.
type Files struct {
	CAFile   string      // the CAs that the other side's certificate is verified against; default: the system's
	CertFile string      // our own certificate, and
	KeyFile  secret.File // its key
}

// Client is for connections to servers, which are known by their names.
func (f Files) Client() (*tls.Config, error) {
	roots, err := f.roots()
	return &tls.Config{
		MinVersion:           tls.VersionTLS12,
		RootCAs:              roots,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return f.own() },
	}, err
}

// Peer is for connections between peers, in both directions. A peer is known by
// a certificate of the CA, whatever its name: addresses change, and those that
// peers tell one another have no names.
func (f Files) Peer() *tls.Config {
	return &tls.Config{
		MinVersion:           tls.VersionTLS12,
		ClientAuth:           tls.RequireAnyClientCert,
		InsecureSkipVerify:   true, //nolint:gosec // instead of it, VerifyConnection checks both sides
		VerifyConnection:     f.verify,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.own() },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return f.own() },
	}
}

// verify checks that the other side has a certificate of our CA.
func (f Files) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the peer presents no certificate")
	}
	roots, err := f.roots()
	if err != nil {
		return err
	}
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err = state.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}

// roots returns the CAs of CAFile; nil means the system's.
func (f Files) roots() (*x509.CertPool, error) {
	if f.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(f.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading the CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading the CA: %s holds no certificate", f.CAFile)
	}
	return pool, nil
}

// own reads our certificate and its key. Without them there is none.
func (f Files) own() (*tls.Certificate, error) {
	if f.CertFile == "" {
		return new(tls.Certificate), nil
	}
	pair, err := tls.LoadX509KeyPair(f.CertFile, string(f.KeyFile))
	if err != nil {
		return nil, fmt.Errorf("reading the certificate and its key: %w", err)
	}
	return &pair, nil
}

// Check returns what is wrong with the files, with path before the keys ca_file,
// cert_file and key_file.
func (f Files) Check(path string) []fault.Problem {
	problems := f.KeyFile.CheckLines(path + "key_file")
	report := func(key, hint, message string) {
		problems = append(problems, fault.Problem{Path: path + key, Message: message, Hint: hint})
	}
	if (f.CertFile == "") != (f.KeyFile == "") {
		report("key_file", "name both, or none", "cert_file and key_file need each other")
	}
	for _, file := range []struct{ key, name string }{{"ca_file", f.CAFile}, {"cert_file", f.CertFile}} {
		if file.name == "" {
			continue
		}
		if _, err := os.ReadFile(file.name); err != nil {
			report(file.key, "name a file that this user can read", err.Error())
			return problems
		}
	}
	if _, err := f.roots(); err != nil {
		report("ca_file", "a PEM file with certificates", err.Error())
	}
	if f.CertFile != "" && f.KeyFile != "" {
		if _, err := f.own(); err != nil {
			report("cert_file", "PEM files that belong together", err.Error())
		}
	}
	return problems
}
