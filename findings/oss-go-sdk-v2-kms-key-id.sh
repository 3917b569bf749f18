#!/usr/bin/env bash
# alibabacloud-oss-go-sdk-v2: SSEKMSKeyId of a result is never filled.
#
# One would guess: a deprecated field goes on working until it is removed. When OSS
# answers with x-oss-server-side-encryption-key-id, both fields that the result has
# for this header hold the ID: the deprecated SSEKMSKeyId and its successor
# ServerSideEncryptionKeyId.
#
# What happens: only ServerSideEncryptionKeyId does. SSEKMSKeyId is nil, of
# HeadObject and of GetObject. Both are bound to the same header, and the decoder
# keeps one field for a header: the last. In requests both fields work.
#
# Why it matters: a program that checks with which key an object is encrypted, and
# was written before the field was deprecated, still compiles, and takes every
# object for one that is not encrypted with a key of its own.
#
# Needs Go. Run: findings/oss-go-sdk-v2-kms-key-id.sh
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >go.mod <<'EOF'
module finding

go 1.26.0

require github.com/aliyun/alibabacloud-oss-go-sdk-v2 v1.6.1
EOF

cat >main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
)

const header = "x-oss-server-side-encryption-key-id"

func main() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			fmt.Printf("PUT: the request's key ID: %q\n", r.Header.Get(header))
		}
		w.Header().Set("x-oss-request-id", "5C3D9175B6FC201293AD0001")
		w.Header().Set("x-oss-server-side-encryption", "KMS")
		w.Header().Set(header, "key-1")
	}))
	defer server.Close()
	client := oss.NewClient(oss.LoadDefaultConfig().WithRegion("cn-shanghai").WithEndpoint(server.URL).
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider("id", "secret")))
	bucket, key, kms, ctx := oss.Ptr("bucket"), oss.Ptr("key"), oss.Ptr("key-1"), context.Background()

	_, err := client.PutObject(ctx, &oss.PutObjectRequest{Bucket: bucket, Key: key, SSEKMSKeyId: kms, Body: strings.NewReader("x")})
	check(err)
	_, err = client.PutObject(ctx, &oss.PutObjectRequest{Bucket: bucket, Key: key, ServerSideEncryptionKeyId: kms, Body: strings.NewReader("x")})
	check(err)
	head, err := client.HeadObject(ctx, &oss.HeadObjectRequest{Bucket: bucket, Key: key})
	check(err)
	show("HEAD", head.SSEKMSKeyId, head.ServerSideEncryptionKeyId)
	get, err := client.GetObject(ctx, &oss.GetObjectRequest{Bucket: bucket, Key: key})
	check(err)
	check(get.Body.Close())
	show("GET", get.SSEKMSKeyId, get.ServerSideEncryptionKeyId)
	fmt.Printf("the header as it arrived: %q\n", head.Headers.Get(header))
}

func show(method string, deprecated, successor *string) {
	fmt.Printf("%s: SSEKMSKeyId is nil: %t, ServerSideEncryptionKeyId: %q\n", method, deprecated == nil, oss.ToString(successor))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
EOF

go mod tidy >log 2>&1 || { cat log; exit 1; }
go list -m github.com/aliyun/alibabacloud-oss-go-sdk-v2
go version
go build -o finding .
seen=$(NO_PROXY=127.0.0.1 ./finding)
echo "$seen"
expected='PUT: the request'"'"'s key ID: "key-1"
PUT: the request'"'"'s key ID: "key-1"
HEAD: SSEKMSKeyId is nil: true, ServerSideEncryptionKeyId: "key-1"
GET: SSEKMSKeyId is nil: true, ServerSideEncryptionKeyId: "key-1"
the header as it arrived: "key-1"'
[ "$seen" = "$expected" ] || { echo "the behaviour has changed" >&2; exit 1; }
