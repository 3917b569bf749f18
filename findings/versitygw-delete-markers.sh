#!/usr/bin/env bash
# versitygw: times of delete markers are finer than those of versions, and change;
# HEAD does not say that an object was deleted.
#
# One would guess: in ListObjectVersions the LastModified of a key's versions and
# delete markers, sorted, is the order in which they were made, with whole seconds
# for all as in S3; and HEAD of a deleted key has the headers that GET has,
# x-amz-delete-marker among them.
#
# What happens: versions have whole seconds (rounded down), delete markers have
# nanoseconds. An object that is written over a delete marker within the same second
# looks older than the marker that it covers. The marker's own time changes when it
# is covered. IsLatest is right. GET of a deleted key answers 404 with
# x-amz-delete-marker: true, HEAD the same 404 without it.
#
# Why it matters: a program that finds the state at a point in time by sorting
# LastModified, or the newest by it, takes a present object for deleted; and one that
# asks with HEAD, as is cheaper, cannot tell deleted from never written.
#
# Needs Go. Run: findings/versitygw-delete-markers.sh
set -euo pipefail
dir=$(mktemp -d)
gateway=
trap '[ -z "$gateway" ] || kill "$gateway"; rm -rf "$dir"' EXIT
cd "$dir"
mkdir bin data versions

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
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return v
}

var ctx, bucket, key = context.Background(), aws.String("bucket"), aws.String("key")

func main() {
	client := s3.New(s3.Options{
		BaseEndpoint: &os.Args[1], Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("access", "secret-key", ""),
	})
	begin := time.Now()
	for { // until the gateway listens
		_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket})
		if err == nil {
			break
		}
		if time.Since(begin) > time.Minute {
			must(0, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	on := &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}
	must(client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: on}))

	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(1200 * time.Millisecond))) // all within one second
	put := func() {
		must(client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("content")}))
	}
	put()
	must(client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key}))
	list := must(client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: bucket}))
	first := *list.DeleteMarkers[0].LastModified
	_, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key})
	deleted("HEAD", err)
	_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
	deleted("GET", err)

	put()
	list = must(client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: bucket}))
	latest, marker := *list.Versions[0].LastModified, *list.DeleteMarkers[0].LastModified
	fmt.Fprintln(os.Stderr, "the object, written last:     ", latest)
	fmt.Fprintln(os.Stderr, "the delete marker that it covers:", marker, "and before it was covered:", first)
	fmt.Println("the latest version is the object:", *list.Versions[0].IsLatest)
	fmt.Println("versions have whole seconds:", latest.Nanosecond() == 0)
	fmt.Println("delete markers have whole seconds:", marker.Nanosecond() == 0)
	fmt.Println("the latest version is older than the marker:", latest.Before(marker))
	fmt.Println("the marker's time stays:", first.Equal(marker))
}

func deleted(method string, err error) {
	var r *awshttp.ResponseError
	if !errors.As(err, &r) {
		must(0, fmt.Errorf("%s: %w", method, err))
	}
	fmt.Printf("%s: %d, x-amz-delete-marker: %q\n", method, r.HTTPStatusCode(), r.Response.Header.Get("X-Amz-Delete-Marker"))
}
EOF

GOBIN=$dir/bin go install github.com/versity/versitygw/cmd/versitygw@v1.8.0 >log 2>&1 || { cat log; exit 1; }
go mod tidy >log 2>&1 || { cat log; exit 1; }
go version -m bin/versitygw | awk '$1 == "mod" { print $2, $3 }'
go list -m github.com/aws/aws-sdk-go-v2/service/s3
go version
go build -o finding .
address=127.0.0.1:$((20000 + RANDOM % 10000))
ROOT_ACCESS_KEY=access ROOT_SECRET_KEY=secret-key bin/versitygw --port "$address" posix --versioning-dir "$dir/versions" "$dir/data" >log 2>&1 &
gateway=$!
seen=$(NO_PROXY=127.0.0.1 ./finding "http://$address")
echo "$seen"
expected='HEAD: 404, x-amz-delete-marker: ""
GET: 404, x-amz-delete-marker: "true"
the latest version is the object: true
versions have whole seconds: true
delete markers have whole seconds: false
the latest version is older than the marker: true
the marker'"'"'s time stays: false'
[ "$seen" = "$expected" ] || { echo "the behaviour has changed" >&2; exit 1; }
