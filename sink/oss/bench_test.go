package oss

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	alioss "github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"packseal.example/sink"
	"packseal.example/sink/oss/ossfake"
)

// BenchmarkSmallPuts puts small objects in turn by the sink and by the vendor's client
// as people call it, with keys from the same files, in the same fake. The metric sdk/sink, of the medians, is above 1
// if the sink is faster; requests/put is the sink's.
func BenchmarkSmallPuts(b *testing.B) {
	for _, size := range []int{1 << 10, 48 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			f := newFake(b)
			s := f.ready(b, nil)
			client := alioss.NewClient(alioss.LoadDefaultConfig().WithRegion(ossfake.Region).WithEndpoint(f.url).WithCredentialsProvider(signer{s.keys}))
			content := random(size)
			whole := sink.Bytes(content)
			whole.Sums = known(content) // whoever seals knows them
			var ours, theirs []time.Duration
			n := 0
			for b.Loop() {
				n++
				began := time.Now()
				if err := s.Put(b.Context(), fmt.Sprintf("ours/%d", n), whole); err != nil {
					b.Fatal(err)
				}
				between := time.Now()
				if _, err := client.PutObject(b.Context(), &alioss.PutObjectRequest{
					Bucket: alioss.Ptr(evidence), Key: alioss.Ptr(fmt.Sprintf("theirs/%d", n)), Body: bytes.NewReader(content), ForbidOverwrite: alioss.Ptr("true"),
				}); err != nil {
					b.Fatal(err)
				}
				ours, theirs = append(ours, between.Sub(began)), append(theirs, time.Since(between))
			}
			slices.Sort(ours)
			slices.Sort(theirs)
			b.ReportMetric(float64(theirs[n/2])/float64(ours[n/2]), "sdk/sink")
			b.ReportMetric(float64(len(f.Requests())-n)/float64(n), "requests/put")
		})
	}
}
