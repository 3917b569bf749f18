package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/archive/ledger"
	"packseal.example/config"
	"packseal.example/daemon"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/table"
)

// demoEvery is how often each of the demo's packs falls due.
const demoEvery = 20 * time.Second

// demoOrigin is the name of the demo's ledger.
const demoOrigin = "packseal.example/demo"

// demo runs the simulator, the daemon, a local archive and the page together.
type demo struct {
	dir    string
	listen string
	once   bool
	began  time.Time
	first  time.Time // the first slot of every pack
	out    io.Writer
	talk   io.Writer
}

func newDemo() *cobra.Command {
	var d demo
	c := &cobra.Command{
		Use: "demo", Short: "Watch reports being made, fetched and sealed, with nothing else installed", Args: noArgs,
		Long: `demo runs a simulated Config API, the daemon, a local archive in ./packseal-demo
and the page in one process, until Ctrl-C. Its packs misbehave as real ones do. There
are reports of rules, of a template and of resources, and a rule that discovers packs.`,
		Example: "  packseal demo\n  packseal demo --once",
	}
	c.Flags().StringVar(&d.dir, "dir", "packseal-demo", "the demo's folder")
	c.Flags().StringVar(&d.listen, "listen", "127.0.0.1:9797", "the page's address")
	c.Flags().BoolVar(&d.once, "once", false, "exit once the first slot of each pack is settled, and print the results")
	c.RunE = func(c *cobra.Command, _ []string) error {
		d.out, d.talk = c.OutOrStdout(), c.ErrOrStderr()
		d.awaitFirst(c.Context())
		return d.run(c.Context())
	}
	return c
}

// demoRoom is the time that the slowest pack needs before its next slot.
const demoRoom = 8 * time.Second

// awaitFirst finds the slot that was due last, which is made up for at once. It waits for
// the next one when that is too near for the slow packs to be ready in time.
func (d *demo) awaitFirst(ctx context.Context) {
	d.first = time.Now().UTC().Truncate(demoEvery)
	next := d.first.Add(demoEvery)
	if wait := time.Until(next); wait < demoRoom {
		fmt.Fprintf(d.talk, "the first reports fall due in %s\n", wait.Truncate(time.Second)+time.Second)
		fault.Sleep(ctx, wait)
		d.first = next
	}
	d.began = time.Now()
}

// run does the whole demo.
func (d *demo) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	api, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	simulated := make(chan error, 1)
	go func() { simulated <- serveSim(ctx, sim.Options{Packs: demoPacks()}, api) }()
	path, err := d.configure("http://" + api.Addr().String())
	if err != nil {
		return err
	}
	cfg, err := load(path, d.talk)
	if err != nil {
		return err
	}
	l, err := listen(cfg)
	if err != nil {
		return err
	}
	if err := adoptDemo(ctx, cfg); err != nil {
		return errors.Join(err, l.Close())
	}
	fmt.Fprintf(d.talk, "packseal %s: http://%s\n  a simulated Config API makes the reports of %d packs, each every %s;\n  they are sealed in %s, by the configuration %s;\n  which packs exist and which are kept: packseal packs --config %[6]s\n",
		version, l.Addr(), demoKept, demoEvery, filepath.Join(d.dir, "archive"), path)
	level := slog.LevelInfo
	if d.once {
		level = slog.LevelError + 1
	} else {
		fmt.Fprintln(d.talk, "  Ctrl-C ends it")
	}
	logger := slog.New(slog.NewTextHandler(d.talk, &slog.HandlerOptions{Level: level}))
	packseal := daemon.New(daemon.Options{
		Load: func() (*config.Config, error) { return load(path, d.talk) }, Logger: logger, Version: version, Instance: instance(),
	})
	ended := make(chan error, 1)
	go func() {
		if d.once {
			ended <- d.await(ctx, packseal, cfg)
			stop()
		}
		close(ended)
	}()
	err = packseal.Run(ctx, cfg, l)
	interrupted := ctx.Err() != nil
	stop()
	err = errors.Join(err, <-simulated, <-ended, d.endPlan(cfg, logger))
	if interrupted && !d.once && err == nil {
		return d.farewell(packseal.Settled())
	}
	return err
}

// farewell says what was kept and what to type next.
func (d *demo) farewell(sealed, gaps int) error {
	path := filepath.Join(d.dir, "packseal.yaml")
	fmt.Fprintf(d.talk, "\n%d reports and the records of %d gaps are kept in %s\n", sealed, gaps, filepath.Join(d.dir, "archive"))
	t := table.New(d.talk, "NEXT, TYPE", "TO")
	for _, next := range [][]string{
		{"packseal list --config " + path, "see what was kept"},
		{"packseal verify --config " + path, "compare it with its manifests"},
		{"packseal ledger status --config " + path, "see the signed list of it"},
		{"packseal demo --dir " + d.dir, "go on"},
		{"rm -r " + d.dir, "remove it"},
		{"packseal init > packseal.yaml", "begin a configuration of your own"},
	} {
		t.Row(next...) //nolint:errcheck // a few rows: Flush writes them
	}
	return t.Flush()
}

// adoptDemo logs what lies in the demo's archive and is not in its ledger as found:
// nobody can vouch for it. What the daemon keeps comes after that.
func adoptDemo(ctx context.Context, cfg *config.Config) error {
	l, err := openLedger(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	_, err = l.Adopt(ctx, ledger.Adoption{})
	return err
}

// endPlan records that nothing is due any more, so that what the demo left is
// complete however late somebody verifies it.
func (d *demo) endPlan(cfg *config.Config, logger *slog.Logger) error {
	ctx := context.Background()
	defer commitLedger(ctx, cfg, d.talk)
	a, err := daemon.OpenArchive(ctx, cfg, daemon.ArchiveOptions{Tool: tool(), Logger: logger})
	if err != nil {
		return err
	}
	records, err := evidence.NewPlan(nil, evidence.NextSecond(time.Now()), tool())
	if err != nil {
		return err
	}
	return a.PutPlan(ctx, records[0])
}

// configure writes the demo's configuration and keys, and returns its path.
func (d *demo) configure(endpoint string) (path string, err error) {
	if err := os.MkdirAll(d.dir, 0o750); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# Written by packseal demo at each start.
state_dir: state
sources:
  demo:
    cloudconfig:
      endpoint: %s
      requests_per_second: 50
      credentials: {access_key_id_file: key-id, access_key_secret_file: key-secret}
    discover:
      refresh: "@every 1m"
      rules:
        - {match: {tags: {env: prod}}, evaluate: 1s, labels: {owner: security}}
        - {match: {tags: {env: test}}, keep: false}
defaults: {source: demo, schedule: "@every %s", catch_up: 10m, timeout: 2m}
sinks:
  - name: primary
    local: {dir: archive}
fetch: {poll_min: 200ms, poll_max: 1s}
ledger: {origin: %s, key_file: ledger-key, interval: 10s}
web: {listen: %q}
packs:
`, endpoint, demoEvery, demoOrigin, d.listen)
	since := d.first.Format(time.RFC3339)
	for _, p := range append(sim.Demo(), sim.Pack{ID: sim.MissingPackID, Name: "a pack that does not exist"}) {
		fmt.Fprintf(&b, "  - {id: %s, name: %q, aggregator: %q, since: %s}\n", p.ID, p.Name, p.Aggregator, since)
	}
	for _, p := range sim.DemoKinds() {
		entry := "kind: " + p.ID
		if strings.HasPrefix(p.ID, "crt-") {
			entry = "kind: template, id: " + p.ID
		}
		fmt.Fprintf(&b, "  - {%s, name: %q, since: %s}\n", entry, p.Name, since)
	}
	path = filepath.Join(d.dir, "packseal.yaml")
	for name, content := range map[string]string{"key-id": simKeyID, "key-secret": simKeySecret, "packseal.yaml": b.String()} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	key, _, err := ledger.GenerateKey(demoOrigin)
	if err == nil {
		err = writeKey(filepath.Join(d.dir, "ledger-key"), key.Reveal())
	}
	if fault.Of(err) == fault.Conflict { // from the run before
		err = nil
	}
	return path, err
}

// demoKept is how many packs the demo keeps: those of its file, and the one that is
// discovered.
var demoKept = len(sim.Demo()) + len(sim.DemoKinds()) + 2

// await waits until every pack has the slot settled that was due at the
// start, and prints how each ended.
func (d *demo) await(ctx context.Context, packseal *daemon.Daemon, cfg *config.Config) error {
	for {
		found, err := daemon.WithDiscovered(cfg)
		if err != nil {
			return err
		}
		entries := found.Entries()
		if len(entries) == demoKept && !slices.ContainsFunc(entries, func(e config.Entry) bool { return packseal.Latest(e.Pack.Source, e.Pack.Key()).Due.Before(d.first) }) {
			return d.table(packseal, entries)
		}
		if !fault.Sleep(ctx, 50*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// table prints the latest settled slot of every pack.
func (d *demo) table(packseal *daemon.Daemon, entries []config.Entry) error {
	t := table.New(d.out, "PACK", "STATE", "SHA-256", "WHERE, OR WHY NOT")
	for _, e := range entries {
		r := packseal.Latest(e.Pack.Source, e.Pack.Key())
		row := []string{e.Pack.Name, string(r.State), r.SHA256, filepath.Join(d.dir, "archive", r.Object)}
		if r.State == evidence.Gapped {
			row[3] = fmt.Sprintf("%s: %s", r.Reason, r.Detail)
		}
		if err := t.Row(row...); err != nil {
			return err
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(d.talk, "settled in %s; to check it: packseal verify --config %s\n", time.Since(d.began).Round(100*time.Millisecond), filepath.Join(d.dir, "packseal.yaml"))
	return err
}
