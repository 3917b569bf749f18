#!/usr/bin/env bash
# versitygw with the backend azure: If-None-Match: * does not keep racing writers
# from replacing each other's objects.
#
# One would guess: PutObject with If-None-Match: * is atomic, as in S3 and in the
# gateway's own backend posix: of several writers of one key one gets 200, and the
# others 412. Azure's Put Blob has the same condition, so it only needs passing on.
#
# What happens: of writers that race for a key, many get 200, and all but the last
# lose their content. One after the other, the second gets 412: the gateway looks
# whether the blob exists, and then writes it without a condition.
#
# Why it matters: locks, leader elections and write-once archives on conditional
# writes work in every test that writes from one place, and lose data with two.
#
# Needs Go, Node and npm. Run: findings/versitygw-azure-racing-writers.sh
set -euo pipefail
dir=$(mktemp -d)
pids=()
trap '[ ${#pids[@]} = 0 ] || kill "${pids[@]}"; wait; rm -rf "$dir"' EXIT
cd "$dir"
mkdir bin blobs posix

cat >go.mod <<'EOF'
module finding

go 1.26.0

require (
	github.com/aws/aws-sdk-go-v2 v1.48.0
	github.com/aws/aws-sdk-go-v2/credentials v1.21.0
	github.com/aws/aws-sdk-go-v2/service/s3 v1.114.10
)
EOF

cat >main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func main() {
	ctx, bucket := context.Background(), aws.String("bucket")
	for _, arg := range os.Args[1:] {
		backend, endpoint, _ := strings.Cut(arg, "=")
		client := s3.New(s3.Options{
			BaseEndpoint: &endpoint, Region: "us-east-1", UsePathStyle: true, RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider("access", "secret-key", ""),
		})
		begin := time.Now()
		for { // until the gateway listens
			_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket})
			if err == nil {
				break
			}
			if time.Since(begin) > time.Minute {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			time.Sleep(100 * time.Millisecond)
		}
		put := func(key, content string) bool {
			_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader(content), IfNoneMatch: aws.String("*")})
			return err == nil
		}
		fmt.Printf("%s: one after the other: %t, %t\n", backend, put("calm", "first"), put("calm", "second"))
		raced, most := 0, int32(0)
		for i := range 20 {
			var won atomic.Int32
			var wg sync.WaitGroup
			for w := range 8 {
				wg.Go(func() {
					if put(fmt.Sprintf("raced-%d", i), fmt.Sprintf("writer %d", w)) {
						won.Add(1)
					}
				})
			}
			wg.Wait()
			if won.Load() > 1 {
				raced++
			}
			most = max(most, won.Load())
		}
		fmt.Fprintf(os.Stderr, "%s: %d of 20 keys have several winners, of 8 writers up to %d\n", backend, raced, most)
		fmt.Printf("%s: several win a race: %t\n", backend, raced > 0)
	}
}
EOF

# The account of Azurite, which is the same everywhere.
key='Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='
GOBIN=$dir/bin go install github.com/versity/versitygw/cmd/versitygw@v1.8.0 >log 2>&1 || { cat log; exit 1; }
go mod tidy >log 2>&1 || { cat log; exit 1; }
npm install --prefix "$dir/azurite" --no-audit --no-fund azurite@3.37.0 >log 2>&1 || { cat log; exit 1; }
go version -m bin/versitygw | awk '$1 == "mod" { print $2, $3 }'
echo "azurite $(node -p 'require("./azurite/node_modules/azurite/package.json").version')"
go version
go build -o finding .
port=$((20000 + RANDOM % 10000))
export ROOT_ACCESS_KEY=access ROOT_SECRET_KEY=secret-key NO_PROXY=127.0.0.1
node azurite/node_modules/azurite/dist/src/blob/main.js --silent --skipApiVersionCheck --location blobs --blobPort "$port" >azurite.log 2>&1 &
pids+=($!)
until grep -q 'successfully listens' azurite.log; do kill -0 "${pids[0]}" || { cat azurite.log; exit 1; }; sleep 0.1; done
bin/versitygw --port "127.0.0.1:$((port + 1))" azure -a devstoreaccount1 -k "$key" -u "http://127.0.0.1:$port/devstoreaccount1" >gateway.log 2>&1 &
pids+=($!)
bin/versitygw --port "127.0.0.1:$((port + 2))" posix posix >posix.log 2>&1 &
pids+=($!)
seen=$(./finding "azure=http://127.0.0.1:$((port + 1))" "posix=http://127.0.0.1:$((port + 2))")
echo "$seen"
expected='azure: one after the other: true, false
azure: several win a race: true
posix: one after the other: true, false
posix: several win a race: false'
[ "$seen" = "$expected" ] || { echo "the behaviour has changed" >&2; exit 1; }
