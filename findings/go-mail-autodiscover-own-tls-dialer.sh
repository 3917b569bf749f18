#!/usr/bin/env bash
# go-mail: SMTPAuthAutoDiscover does not see that an own dialer's connection is TLS.
#
# One would guess: a dialer that is given with WithDialContextFunc and returns a
# *tls.Conn (for a proxy, or rules about addresses) is as good as WithSSL's own, and
# a server that offers AUTH PLAIN LOGIN is logged in to.
#
# What happens: with WithSSL and SMTPAuthAutoDiscover, DialWithContext fails: no
# supported mechanism was detected. With WithSSL the library believes only its own
# dialer that a connection is encrypted, and PLAIN and LOGIN are considered on
# encrypted connections alone. SMTPAuthPlain works on the same connection, and so
# does TLSOpportunistic in place of WithSSL: both look at the connection.
#
# Why it matters: mail works in a test without an own dialer and fails with one,
# and the message blames the server.
#
# Needs Go. Run: findings/go-mail-autodiscover-own-tls-dialer.sh
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >go.mod <<'EOF'
module finding

go 1.26.0

require github.com/wneessen/go-mail v0.8.1
EOF

cat >main.go <<'EOF'
package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(err)
	root, err := x509.ParseCertificate(der)
	check(err)
	roots := x509.NewCertPool()
	roots.AddCert(root)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	check(err)
	go serve(l)
	config := &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}
	own := func(ctx context.Context, network, address string) (net.Conn, error) {
		return (&tls.Dialer{Config: config}).DialContext(ctx, network, address)
	}
	try := func(how string, auth mail.SMTPAuthType, more ...mail.Option) {
		opts := append([]mail.Option{
			mail.WithPort(l.Addr().(*net.TCPAddr).Port), mail.WithTLSConfig(config), mail.WithTimeout(5 * time.Second),
			mail.WithSMTPAuth(auth), mail.WithUsername("user"), mail.WithPassword("password"),
		}, more...)
		client, err := mail.NewClient("localhost", opts...)
		check(err)
		err = client.DialWithContext(context.Background())
		fmt.Printf("%s, %s: %v\n", how, auth, err)
		if err == nil {
			check(client.Close())
		}
	}
	dialer := mail.WithDialContextFunc(own)
	try("WithSSL", mail.SMTPAuthAutoDiscover, mail.WithSSL())
	try("WithSSL, own TLS dialer", mail.SMTPAuthAutoDiscover, mail.WithSSL(), dialer)
	try("WithSSL, own TLS dialer", mail.SMTPAuthPlain, mail.WithSSL(), dialer)
	try("TLSOpportunistic, own TLS dialer", mail.SMTPAuthAutoDiscover, mail.WithTLSPolicy(mail.TLSOpportunistic), dialer)
}

// serve is an SMTP server that takes any password.
func serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			fmt.Fprint(conn, "220 localhost ESMTP\r\n")
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				switch verb, _, _ := strings.Cut(lines.Text(), " "); verb {
				case "EHLO":
					fmt.Fprint(conn, "250-localhost\r\n250 AUTH PLAIN LOGIN\r\n")
				case "AUTH":
					fmt.Fprint(conn, "235 welcome\r\n")
				case "QUIT":
					fmt.Fprint(conn, "221 bye\r\n")
					return
				default:
					fmt.Fprint(conn, "250 ok\r\n")
				}
			}
		}()
	}
}
EOF

go mod tidy >log 2>&1 || { cat log; exit 1; }
go list -m github.com/wneessen/go-mail
go version
seen=$(go run .)
echo "$seen"
expected='WithSSL, AUTODISCOVER: <nil>
WithSSL, own TLS dialer, AUTODISCOVER: SMTP Auth autodiscover was not able to detect a supported authentication mechanism
WithSSL, own TLS dialer, PLAIN: <nil>
TLSOpportunistic, own TLS dialer, AUTODISCOVER: <nil>'
[ "$seen" = "$expected" ] || { echo "the behaviour has changed" >&2; exit 1; }
