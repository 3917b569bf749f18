package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"packseal.example/config"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/fault"
)

const (
	manyPacks  = 1000
	reportSize = 48 << 10
	inFlight   = 64 // the default of max_in_flight, for both sides
)

// BenchmarkThousandPacks has a whole daemon, queue and all, settle the first
// slot of 1,000 packs that are due at once. The other side is the machine's
// bare rate for what a slot can't do without: three signed calls, a download
// and two durable files. A pack's first slot makes four folders that have to
// be durable too; a later one, in a month that has its folder, makes one.
func BenchmarkThousandPacks(b *testing.B) {
	b.Run("first", func(b *testing.B) { thousandPacks(b, false) })
	b.Run("later", func(b *testing.B) { thousandPacks(b, true) })
}

func thousandPacks(b *testing.B, later bool) {
	var bare, sealed time.Duration
	var calls int64
	for b.Loop() {
		b.StopTimer()
		_, endpoint := manySim(b)
		bare += bareSlots(b, endpoint)
		server, endpoint := manySim(b)
		cfg := manyConfig(b, b.TempDir(), endpoint, "@hourly", "2h")
		if later {
			makeMonths(b, cfg.Sinks[0].Local.Dir)
		}
		b.StartTimer()
		sealed += settleAll(b, cfg)
		for name, n := range server.Calls() {
			if name != sim.Download {
				calls += int64(n)
			}
		}
	}
	slots := float64(b.N * manyPacks)
	b.ReportMetric(slots/sealed.Seconds(), "slots/s")
	b.ReportMetric(slots/bare.Seconds(), "bare-slots/s")
	b.ReportMetric(bare.Seconds()/sealed.Seconds(), "of-bare-rate")
	b.ReportMetric(float64(calls)/slots, "calls/slot")
}

// manySim is a simulator of all the packs, whose reports are ready at once.
func manySim(b *testing.B) (server *sim.Server, endpoint string) {
	b.Helper()
	packs := make([]sim.Pack, manyPacks)
	for i := range packs {
		packs[i] = sim.Pack{ID: manyPack(i), Script: sim.Script{Blob: true, Size: reportSize}}
	}
	server, err := sim.New(sim.Options{AccessKeyID: simKeyID, AccessKeySecret: simKeySecret, Packs: packs})
	if err != nil {
		b.Fatal(err)
	}
	web := httptest.NewServer(server)
	b.Cleanup(web.Close)
	return server, web.URL
}

func manyPack(i int) string { return fmt.Sprintf("cp-%016d", i) }

// manyConfig writes and loads the configuration of all the packs.
func manyConfig(b *testing.B, dir, endpoint, schedule, catchUp string) *config.Config {
	b.Helper()
	var y strings.Builder
	fmt.Fprintf(&y, `state_dir: state
sources:
  demo:
    cloudconfig:
      endpoint: %s
      requests_per_second: 100000
      max_in_flight: %d
      credentials: {access_key_id_file: key-id, access_key_secret_file: key-secret}
defaults: {source: demo, schedule: %q, catch_up: %s, timeout: 10m}
sinks: [{name: primary, local: {dir: archive}}]
web: {listen: "127.0.0.1:0"}
packs:
`, endpoint, inFlight, schedule, catchUp)
	for i := range manyPacks {
		fmt.Fprintf(&y, "  - {id: %s}\n", manyPack(i))
	}
	path := filepath.Join(dir, "packseal.yaml")
	for name, content := range map[string]string{"key-id": simKeyID, "key-secret": simKeySecret, "packseal.yaml": y.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	cfg, err := load(path, io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	return cfg
}

// makeMonths makes the folders that slots of an hour ago and of now go to.
func makeMonths(b *testing.B, archive string) {
	b.Helper()
	now := time.Now().UTC()
	for _, due := range []time.Time{now.Add(-time.Hour), now} {
		for i := range manyPacks {
			if err := os.MkdirAll(filepath.Join(archive, "demo", manyPack(i), due.Format("2006/01")), 0o750); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// settleAll runs an engine until every pack has a slot sealed.
func settleAll(b *testing.B, cfg *config.Config) time.Duration {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	began := time.Now()
	e, err := newEngine(ctx, cfg, slog.New(slog.DiscardHandler), newReloadStatus())
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- e.run(ctx) }()
	for _, entry := range e.entries {
		for e.Status(entry.Pack.Source, entry.Pack.Key()).Sealed == 0 {
			fault.Sleep(ctx, 2*time.Millisecond)
		}
	}
	took := time.Since(began)
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	return took
}

// bareSlots does the bare minimum for every pack, as many at once as the
// daemon does.
func bareSlots(b *testing.B, endpoint string) time.Duration {
	b.Helper()
	dir := b.TempDir()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inFlight}}
	defer client.CloseIdleConnections()
	began := time.Now()
	var g errgroup.Group
	g.SetLimit(inFlight)
	for i := range manyPacks {
		g.Go(func() error { return bareSlot(client, endpoint, dir, manyPack(i)) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

func bareSlot(client *http.Client, endpoint, dir, pack string) error {
	var link string
	for _, action := range []string{"GetCompliancePackReport", "GenerateCompliancePackReport", "GetCompliancePackReport"} {
		raw, err := bareGet(client, endpoint+"/?"+bareQuery(action, pack))
		if err != nil {
			return err
		}
		var answer struct{ CompliancePackReport struct{ ReportUrl string } }
		if err := json.Unmarshal(raw, &answer); err != nil {
			return err
		}
		link = answer.CompliancePackReport.ReportUrl
	}
	body, err := bareGet(client, link)
	if err != nil {
		return err
	}
	if err := durable(dir, pack+".report", body); err != nil {
		return err
	}
	return durable(dir, pack+".manifest", body[:1024])
}

// bareGet returns the body of an answer that is 200.
func bareGet(client *http.Client, url string) ([]byte, error) {
	resp, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", resp.StatusCode, body)
	}
	return body, err
}

// bareQuery is a call with the older kind of signature, which takes least.
func bareQuery(action, pack string) string {
	q := url.Values{
		"Action": {action}, "Version": {"2020-09-07"}, "Format": {"JSON"}, "CompliancePackId": {pack},
		"AccessKeyId": {simKeyID}, "SignatureMethod": {"HMAC-SHA1"}, "SignatureVersion": {"1.0"},
		"SignatureNonce": {rand.Text()}, "Timestamp": {time.Now().UTC().Format("2006-01-02T15:04:05Z")},
	}.Encode()
	m := hmac.New(sha1.New, []byte(simKeySecret+"&"))
	m.Write([]byte("GET&%2F&" + url.QueryEscape(q)))
	return q + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(m.Sum(nil)))
}

// durable writes a file that a loss of power does not take: file and name.
func durable(dir, name string, body []byte) error {
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(body); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// idleFor is how long BenchmarkIdle watches the daemon do nothing.
const idleFor = 20 * time.Second

// BenchmarkIdle builds the static binary, runs it with 1,000 packs of which
// none falls due, and shows its size, how soon it is ready, and what it takes
// of a core and of memory. It reads Linux' /proc.
func BenchmarkIdle(b *testing.B) {
	dir := b.TempDir()
	binary := filepath.Join(dir, "packseal")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	fi, err := os.Stat(binary)
	if err != nil {
		b.Fatal(err)
	}
	manyConfig(b, dir, "http://127.0.0.1:9", "@yearly", "0s")
	var ready, cpu, rss float64
	for b.Loop() {
		r, c, m := idle(b, binary, filepath.Join(dir, "packseal.yaml"))
		ready, cpu, rss = max(ready, r.Seconds()), max(cpu, c/idleFor.Seconds()*100), max(rss, m)
	}
	b.ReportMetric(float64(fi.Size())/1e6, "binary-MB")
	b.ReportMetric(ready, "ready-s")
	b.ReportMetric(cpu, "cpu-%")
	b.ReportMetric(rss, "rss-MiB")
}

// idle runs the daemon: how long until it is ready, then its seconds of CPU
// while it has nothing to do, and its memory in MiB at the end.
func idle(b *testing.B, binary, configuration string) (ready time.Duration, cpu, rss float64) {
	b.Helper()
	stderr, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer stderr.Close()
	daemon := exec.Command(binary, "run", "--config", configuration)
	daemon.Stderr = w
	began := time.Now()
	if err := daemon.Start(); err != nil {
		b.Fatal(err)
	}
	w.Close()
	defer func() {
		if daemon.Process.Signal(os.Interrupt) == nil {
			daemon.Wait() //nolint:errcheck // it was interrupted
		}
	}()
	probe := pageOf(b, stderr) + "/-/ready"
	go io.Copy(io.Discard, stderr) //nolint:errcheck // ends with the daemon
	for {
		resp, err := http.Get(probe)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if ready = time.Since(began); ready > time.Minute {
			b.Fatal("not ready after a minute")
		}
		fault.Sleep(b.Context(), 2*time.Millisecond)
	}
	ready = time.Since(began)
	fault.Sleep(b.Context(), 3*time.Second) // what starting leaves to be done
	before, _ := usage(b, daemon.Process.Pid)
	fault.Sleep(b.Context(), idleFor)
	after, rss := usage(b, daemon.Process.Pid)
	return ready, after - before, rss
}

// pageOf reads the address of the page from the daemon's first line.
func pageOf(b *testing.B, r io.Reader) string {
	b.Helper()
	var said []byte
	for one := make([]byte, 1); !bytes.HasSuffix(said, []byte("\n")); said = append(said, one[0]) {
		if _, err := r.Read(one); err != nil {
			b.Fatalf("the daemon said %q: %v", said, err)
		}
	}
	_, address, ok := strings.Cut(strings.TrimSpace(string(said)), ": ")
	if !ok {
		b.Fatalf("the daemon said %q", said)
	}
	return address
}

// usage is what a process has taken of a core, in seconds, and its memory.
func usage(b *testing.B, pid int) (cpu, rss float64) {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skipf("usage is read from Linux' /proc: %v", err)
	}
	// From the third field on, behind the name in brackets: fields 14 and 15
	// are ticks of 10 ms, field 24 is pages.
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	number := func(field int) float64 {
		n, err := strconv.ParseFloat(f[field-3], 64)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	return (number(14) + number(15)) / 100, number(24) * float64(os.Getpagesize()) / (1 << 20)
}
