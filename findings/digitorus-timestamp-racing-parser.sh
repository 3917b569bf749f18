#!/usr/bin/env bash
# digitorus/timestamp: the newest version brings a parser that can't be called twice at once.
#
# One would guess: parsing is a function of its bytes, so a verifier may check RFC 3161
# time-stamps in many goroutines; what the newest version of a library asks for is good.
#
# What happens: timestamp v0.0.0-20250524132541-c45532741eea asks for pkcs7
# v0.0.0-20230713084857-e76b763bdc49, whose Parse counts its depth in a variable of the
# package. Two calls at once are a data race, also on one valid message. The pkcs7 of
# five weeks later (v0.0.0-20230818184609-3a137a874352) has none; nothing asks for it.
#
# Why it matters: a verifier checks hundreds of tokens, on all processors. Its tests
# with -race end there, and whoever adds a lock does not need it after one "go get".
#
# Needs Go and a C compiler (for -race). Run: findings/digitorus-timestamp-racing-parser.sh
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'EOF'
module example.com/finding

go 1.24

require github.com/digitorus/timestamp v0.0.0-20250524132541-c45532741eea
EOF
cat >main.go <<'EOF'
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"sync"
	"time"

	"github.com/digitorus/pkcs7"
	_ "github.com/digitorus/timestamp"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// message is a signed message, as this very package makes it: DER.
func message() []byte {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "signer"}, NotAfter: time.Now().Add(time.Hour)}
	cert := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))))
	signed := must(pkcs7.NewSignedData([]byte("hello")))
	signed.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := signed.AddSigner(cert, key, pkcs7.SignerInfoConfig{}); err != nil {
		panic(err)
	}
	return must(signed.Finish())
}

func main() {
	raw := message()
	calls := 1
	if len(os.Args) > 1 {
		calls = 8
	}
	var all sync.WaitGroup
	for range calls {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 200 {
				must(pkcs7.Parse(raw))
			}
		}()
	}
	all.Wait()
	fmt.Println(calls, "goroutines parsed")
}
EOF
# outcome prints what eight goroutines come to that parse one valid message.
outcome() {
  go mod tidy >/dev/null 2>&1
  go build -race -o finding .
  ./finding # one goroutine is fine
  local out
  if out=$(./finding many 2>&1); then
    echo "pkcs7 $(go list -m -f '{{.Version}}' github.com/digitorus/pkcs7): no race"
  elif [[ $out == *"DATA RACE"*pkcs7* ]]; then
    echo "pkcs7 $(go list -m -f '{{.Version}}' github.com/digitorus/pkcs7): data race"
  else
    echo "another failure: $out"
  fi
}
seen=$(outcome)
go get github.com/digitorus/pkcs7@v0.0.0-20230818184609-3a137a874352 >/dev/null 2>&1
seen+=$'\n'$(outcome)
echo "$seen"
diff <(echo "$seen") - <<'EOF' || { echo "that has changed"; exit 1; }
1 goroutines parsed
pkcs7 v0.0.0-20230713084857-e76b763bdc49: data race
1 goroutines parsed
pkcs7 v0.0.0-20230818184609-3a137a874352: no race
EOF
