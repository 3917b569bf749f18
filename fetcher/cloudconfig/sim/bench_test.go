package sim_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
)

// BenchmarkDownload measures a download of 64 MiB over loopback, which is the upper
// limit of any client.
func BenchmarkDownload(b *testing.B) {
	const size = 64 << 20
	s, err := sim.New(sim.Options{AccessKeyID: keyID, AccessKeySecret: secret, Packs: []sim.Pack{{ID: ordinary, Script: sim.Script{Blob: true, Size: size, Standing: 1}}}})
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(s)
	b.Cleanup(server.Close)
	r := httptest.NewRequest("GET", server.URL, nil)
	link := linkFor(b, s, r.Host)
	b.SetBytes(size)
	for b.Loop() {
		resp, err := http.Get(link)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
			b.Fatal(n, err)
		}
		resp.Body.Close()
	}
}

// BenchmarkReport measures the simulator for a report of 48 KiB: three calls and a
// download, without sockets.
func BenchmarkReport(b *testing.B) {
	for name, blob := range map[string]bool{"workbook": false, "blob": true} {
		b.Run(name, func(b *testing.B) {
			s, err := sim.New(sim.Options{AccessKeyID: keyID, AccessKeySecret: secret, Packs: []sim.Pack{{ID: ordinary, Script: sim.Script{Size: 48 << 10, Blob: blob}}}})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				call(b, s, "GetCompliancePackReport", "CompliancePackId", ordinary)
				get(b, s, report(b, s, ordinary))
			}
		})
	}
}

// linkFor returns a link of the pack for a server at that host.
func linkFor(b *testing.B, s http.Handler, host string) string {
	b.Helper()
	r := signed("GetCompliancePackReport", time.Now(), "CompliancePackId", ordinary)
	r.Host = host
	sim.SignACS3(r, keyID, secret)
	return do(b, s, r).JSON.CompliancePackReport.ReportUrl
}
