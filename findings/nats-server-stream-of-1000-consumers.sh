#!/usr/bin/env bash
# nats-server: a stream without a limit of its own takes 1,000 consumers since 2.15.
#
# One would guess: a stream whose configuration names no max_consumers, in an account
# without limits, on a server with the default configuration, takes as many consumers
# as there is memory for, as it always did; and if a limit applies, the stream's
# configuration shows it.
#
# What happens: a server of 2.15 refuses the 1,001st with "maximum consumers limit
# reached", and still shows max_consumers -1. One of 2.14 takes it. The setting is the
# server's (jetstream.limits.default_max_consumers; -1 = none).
#
# Why it matters: a program with a consumer for each tenant works for years, and after an
# upgrade of the servers the next tenant gets nothing, while each setting that the
# program can read says that there is no limit. A restart does not show it: consumers
# that exist stay.
#
# Needs Go. Run: findings/nats-server-stream-of-1000-consumers.sh
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	dir, err := os.MkdirTemp("", "finding")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, err := server.NewServer(&server.Options{JetStream: true, StoreDir: dir, DontListen: true, NoSigs: true})
	if err != nil {
		log.Fatal(err)
	}
	s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		log.Fatal("the server is not ready")
	}
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		log.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, Storage: jetstream.MemoryStorage})
	if err != nil {
		log.Fatal(err)
	}
	n := 0
	for ; n < 1001 && err == nil; n++ {
		_, err = stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: fmt.Sprint("c", n), FilterSubject: fmt.Sprintf("s.%d", n), AckPolicy: jetstream.AckExplicitPolicy})
	}
	if err != nil {
		n--
	}
	info, infoErr := stream.Info(ctx)
	if infoErr != nil {
		log.Fatal(infoErr)
	}
	fmt.Printf("nats-server %s: %d consumers, then %v; max_consumers of the stream: %d\n", server.VERSION, n, err, info.Config.MaxConsumers)
}
EOF

try() { # VERSION: what the program prints with this server
	cat >go.mod <<EOF
module finding

go 1.25.0

require (
	github.com/nats-io/nats-server/v2 v$1
	github.com/nats-io/nats.go v1.55.0
)
EOF
	rm -f go.sum
	go mod tidy >/dev/null 2>&1
	go run .
}

new=$(try 2.15.3)
old=$(try 2.14.3)
printf '%s\n%s\n' "$new" "$old"
grep -q '1000 consumers, then .*maximum consumers limit reached; max_consumers of the stream: -1$' <<<"$new"
grep -q '1001 consumers, then <nil>; max_consumers of the stream: -1$' <<<"$old"
