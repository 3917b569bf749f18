package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"packseal.example/config"
	"packseal.example/internal/ram/ramtest"
	"packseal.example/test/lab"
	"packseal.example/web"
)

func TestMain(m *testing.M) {
	lab.Parallel(24)
	os.Exit(ramtest.M{Tests: m}.Run())
}

// live is a daemon that runs in this process.
type live struct {
	*Daemon
	url  string
	stop func() // ends it and waits until it has
}

// start runs a daemon of a configuration file until stop is called or the test
// ends.
func start(t testing.TB, path string, log io.Writer) *live {
	t.Helper()
	file := &ConfigFile{Path: path, Warn: func(w config.Fault) { fmt.Fprintln(log, w) }}
	cfg, err := file.Load()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", cfg.Web.Listen)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d := &live{Daemon: New(Options{Load: file.Load, Logger: logger, Version: "test", Instance: "host"}), url: "http://" + l.Addr().String()}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, cfg, l) }()
	d.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the daemon ended with: %v", err)
		}
	})
	t.Cleanup(d.stop)
	return d
}

// packs returns what the page shows of each pack.
func (d *live) packs(t testing.TB) []web.Pack {
	t.Helper()
	var list struct{ Packs []web.Pack }
	if err := json.Unmarshal([]byte(d.get(t, "/api/v1/packs")), &list); err != nil {
		t.Fatal(err)
	}
	return list.Packs
}

// pack returns what the page shows of one pack.
func (d *live) pack(t testing.TB, key string) web.Pack {
	t.Helper()
	for _, p := range d.packs(t) {
		if p.Key == key {
			return p
		}
	}
	return web.Pack{}
}

// await waits until every pack has so many slots settled.
func (d *live) await(t testing.TB, slots int) {
	t.Helper()
	lab.Eventually(t, fmt.Sprintf("%d slots of each pack are settled", slots), func() bool {
		all := d.packs(t)
		for _, p := range all {
			if p.Counts == nil || p.Counts.Sealed+p.Counts.Gaps < slots {
				return false
			}
		}
		return len(all) > 0
	})
}

// get reads a page of the daemon's.
func (d *live) get(t testing.TB, path string) string {
	t.Helper()
	r, err := http.Get(d.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// ready waits until the daemon is.
func (d *live) ready(t testing.TB) {
	t.Helper()
	lab.Eventually(t, "the daemon is ready", func() bool { return !strings.Contains(d.get(t, "/-/ready"), "not ready") })
}
