package archive_test

import (
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"hash/crc64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/secret"
	"packseal.example/sink/local"
)

// largeReport is the size of the report that BenchmarkLargeReport seals.
const largeReport = 1 << 30

// BenchmarkLargeReport seals one report of 1 GiB from its link in a folder, and
// copies the same body plainly: through the same three sums to one file, with
// fsync. It shows the ratio of the two speeds, and by how much the process'
// memory (simulator and all) grew while sealing.
func BenchmarkLargeReport(b *testing.B) {
	server, err := sim.New(sim.Options{AccessKeyID: "LTAI5tExampleKeyID", AccessKeySecret: markedSecret, Packs: []sim.Pack{
		{ID: "cp-1", Script: sim.Script{Blob: true, Size: largeReport}},
	}})
	if err != nil {
		b.Fatal(err)
	}
	web := httptest.NewServer(server)
	b.Cleanup(web.Close)
	dir := b.TempDir()
	a, source, spool := benchRig(b, dir, web.URL)
	b.SetBytes(largeReport)
	var plain, sealed time.Duration
	var grown int64
	due := time.Now().UTC().Truncate(time.Second)
	for b.Loop() {
		b.StopTimer()
		due = due.Add(-time.Second)
		ticket, err := source.Generate(b.Context(), fetcher.Order{Slot: slot("cp-1", due)})
		if err != nil {
			b.Fatal(err)
		}
		link, err := source.Lookup(b.Context(), ticket)
		if err != nil {
			b.Fatal(err)
		}
		keep(b, spool, ticket)
		download(b, link.URL.Reveal(), "bytes=0-0", io.Discard) // the simulator takes its sums once
		plain += plainCopy(b, link.URL.Reveal(), filepath.Join(dir, "plain"))

		idle := resident(b)
		b.StartTimer()
		began := time.Now()
		if _, err := a.Seal(b.Context(), slot("cp-1", due), time.Now().Add(time.Hour)); err != nil {
			b.Fatal(err)
		}
		sealed += time.Since(began)
		b.StopTimer()
		grown = max(grown, peak(b)-idle)
		if err := clean(filepath.Join(dir, "archive")); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(plain.Seconds()/sealed.Seconds(), "of-plain-speed")
	b.ReportMetric(float64(grown)/(1<<20), "MiB-over-idle")
}

// benchRig is an archive on a folder, and what feeds it.
func benchRig(b *testing.B, dir, endpoint string) (*archive.Archive, fetcher.Source, *fetcher.Spool) {
	b.Helper()
	for name, content := range map[string]string{"id": "LTAI5tExampleKeyID", "secret": markedSecret} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	logger := slog.New(slog.DiscardHandler)
	o := &cloudconfig.Options{Endpoint: endpoint, RequestsPerSecond: 10000, Credentials: &cloudconfig.Credentials{
		AccessKeyIDFile: secret.File(filepath.Join(dir, "id")), AccessKeySecretFile: secret.File(filepath.Join(dir, "secret")),
	}}
	source, err := o.Open(fetcher.Env{Logger: logger, UserAgent: "packseal/test"})
	if err != nil {
		b.Fatal(err)
	}
	f, err := fetcher.New(fetcher.Options{Source: source, Bounds: o.Bounds(), Logger: logger})
	if err != nil {
		b.Fatal(err)
	}
	folder, err := (&local.Options{Dir: filepath.Join(dir, "archive")}).Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	spool, err := fetcher.OpenSpool(filepath.Join(dir, "spool"))
	if err != nil {
		b.Fatal(err)
	}
	a, err := archive.New(archive.Options{
		Sinks: []archive.Target{{Name: "folder", Sink: folder}}, Spool: spool, Fetch: f.Fetch, Tool: "packseal/test", Logger: logger,
	})
	if err != nil {
		b.Fatal(err)
	}
	return a, source, spool
}

// keep leaves the ticket in the spool, where Seal finds it.
func keep(b *testing.B, spool *fetcher.Spool, t fetcher.Ticket) {
	b.Helper()
	e, err := spool.Lock(b.Context(), t.Slot)
	if err == nil {
		err = e.SaveTicket(t)
	}
	if err == nil {
		err = e.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
}

// plainCopy is the other side: the least that one can do with the body.
func plainCopy(b *testing.B, url, name string) time.Duration {
	b.Helper()
	began := time.Now()
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	download(b, url, "", io.MultiWriter(f, sha256.New(), crc64.New(crc64.MakeTable(crc64.ECMA)), md5.New()))
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	took := time.Since(began)
	if err := os.Remove(name); err != nil {
		b.Fatal(err)
	}
	return took
}

// download gets a link, or the part of it that is named.
func download(b *testing.B, url, part string, w io.Writer) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	if part != "" {
		req.Header.Set("Range", part)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(w, resp.Body); err != nil || part == "" && n != largeReport {
		b.Fatalf("status %d, %d bytes, %v", resp.StatusCode, n, err)
	}
}

// resident is the process' resident memory; its peak is reckoned from now on.
func resident(b *testing.B) int64 {
	b.Helper()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Skipf("memory is read from Linux' /proc: %v", err)
	}
	return status(b, "VmRSS:")
}

// peak is the most that was resident since then.
func peak(b *testing.B) int64 { return status(b, "VmHWM:") }

func status(b *testing.B, name string) int64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); f[0] == name {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return n << 10
		}
	}
	b.Fatalf("no %s in /proc/self/status", name)
	return 0
}

// clean empties the folder, which must stay itself: a sink's folder that is
// gone is taken for a mount that is gone.
func clean(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}
