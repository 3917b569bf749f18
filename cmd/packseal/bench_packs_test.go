package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packseal.example/archive/ledger"
	"packseal.example/config"
	"packseal.example/daemon"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/fault"
)

const (
	manyPacks  = 1000
	reportSize = 48 << 10
	inFlight   = 64 // the default of max_in_flight, for both sides
)

// BenchmarkThousandPacks has a whole daemon, queue and all, settle 1,000 packs
// that fall due at one moment, and counts from that moment. The other side is
// the machine's bare rate for what a slot can't do without: three signed
// calls, a download and two durable files. A pack's first slot makes four
// folders that have to be durable too; a later one, in a month that has its
// folder, makes one. of-plain-rate compares with the same daemon without a ledger.
func BenchmarkThousandPacks(b *testing.B) {
	b.Run("first", func(b *testing.B) { thousandPacks(b, false, false) })
	b.Run("later", func(b *testing.B) { thousandPacks(b, true, false) })
	b.Run("later-ledger", func(b *testing.B) { thousandPacks(b, true, true) })
}

func thousandPacks(b *testing.B, later, withLedger bool) {
	var bare, plain, sealed time.Duration
	var calls int64
	for b.Loop() {
		b.StopTimer()
		_, endpoint := manySim(b)
		bare += bareSlots(b, endpoint)
		if withLedger {
			_, endpoint := manySim(b)
			plain += settleAll(b, endpoint, later, "")
		}
		server, endpoint := manySim(b)
		more := ""
		if withLedger {
			more = ledgerBlock(b)
		}
		b.StartTimer()
		sealed += settleAll(b, endpoint, later, more)
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
	if withLedger {
		b.ReportMetric(plain.Seconds()/sealed.Seconds(), "of-plain-rate")
	}
}

// ledgerBlock makes a key, and returns the lines that turn the ledger on.
func ledgerBlock(b *testing.B) string {
	b.Helper()
	const origin = "example.com/packseal/bench"
	key, _, err := ledger.GenerateKey(origin)
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key.Reveal()+"\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	return fmt.Sprintf("ledger: {origin: %s, key_file: %s}\n", origin, file)
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
func manyConfig(b *testing.B, dir, endpoint, schedule, catchUp, more string) *config.Config {
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
%spacks:
`, endpoint, inFlight, schedule, catchUp, more)
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

// soon is when the packs fall due: the daemon is ready long before.
const soon = 4 * time.Second

// makeMonths makes the folders that the slots go to.
func makeMonths(b *testing.B, archive string, due time.Time) {
	b.Helper()
	for i := range manyPacks {
		if err := os.MkdirAll(filepath.Join(archive, "demo", manyPack(i), due.Format("2006/01")), 0o750); err != nil {
			b.Fatal(err)
		}
	}
}

// settleAll runs a daemon until every pack has its slot sealed, ends it, and returns how
// long that was after they fell due.
func settleAll(b *testing.B, endpoint string, later bool, more string) time.Duration {
	b.Helper()
	due := time.Now().UTC().Truncate(time.Second).Add(soon)
	cfg := manyConfig(b, b.TempDir(), endpoint, due.Format("5 4 15 2 1 *"), "0s", more)
	if later {
		makeMonths(b, cfg.Sinks[0].Local.Dir, due)
	}
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	l, err := net.Listen("tcp", cfg.Web.Listen)
	if err != nil {
		b.Fatal(err)
	}
	d := daemon.New(daemon.Options{Logger: slog.New(slog.DiscardHandler), Version: version})
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, cfg, l) }()
	for d.Ready() != nil {
		fault.Sleep(ctx, time.Millisecond)
	}
	if time.Now().After(due) {
		b.Fatal("the packs fell due before the daemon was ready")
	}
	for _, entry := range cfg.Entries() {
		for d.Latest(entry.Pack.Source, entry.Pack.Key()).State == "" {
			fault.Sleep(ctx, 2*time.Millisecond)
		}
	}
	stop()
	if err := <-ended; err != nil { // a ledger has all entries by then
		b.Fatal(err)
	}
	return time.Since(due)
}
