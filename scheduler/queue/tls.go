package queue

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// roots returns the CAs of CAFile; nil means the system's.
func (t *TLS) roots() (*x509.CertPool, error) {
	if t.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading the CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading the CA: %s holds no certificate", t.CAFile)
	}
	return pool, nil
}

// own reads our certificate and its key. Without them there is none.
func (t *TLS) own() (*tls.Certificate, error) {
	if t.CertFile == "" {
		return new(tls.Certificate), nil
	}
	pair, err := tls.LoadX509KeyPair(t.CertFile, string(t.KeyFile))
	if err != nil {
		return nil, fmt.Errorf("reading the certificate and its key: %w", err)
	}
	return &pair, nil
}

// client is for connections to NATS servers, which are known by their names.
func (t *TLS) client() (*tls.Config, error) {
	roots, err := t.roots()
	return &tls.Config{
		MinVersion:           tls.VersionTLS12,
		RootCAs:              roots,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return t.own() },
	}, err
}

// members is for connections between replicas, in both directions. A replica
// is known by a certificate of the CA, whatever its name: addresses change,
// and routes that members tell one another of are addresses.
func (t *TLS) members() *tls.Config {
	return &tls.Config{
		MinVersion:           tls.VersionTLS12,
		ClientAuth:           tls.RequireAnyClientCert,
		InsecureSkipVerify:   true, //nolint:gosec // instead of it, VerifyConnection checks both sides
		VerifyConnection:     t.verify,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return t.own() },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return t.own() },
	}
}

// verify holds that the other side has a certificate of our CA.
func (t *TLS) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the other replica shows no certificate")
	}
	roots, err := t.roots()
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
