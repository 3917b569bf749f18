package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"packseal.example/config"
	"packseal.example/internal/fault"
)

// live is a daemon at work in this process.
type live struct {
	*daemon
	url  string
	stop func() // ends it and waits until it has
}

// startDaemon runs a daemon of a configuration file until stop is called or
// the test ends. What is to be done with it before is done.
func startDaemon(t *testing.T, path string, log io.Writer, before ...func(*daemon)) *live {
	t.Helper()
	cfg, err := load(path, log)
	if err != nil {
		t.Fatal(err)
	}
	l, err := listen(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d := &live{daemon: newDaemon(func() (*config.Config, error) { return load(path, log) }, logger), url: "http://" + l.Addr().String()}
	for _, f := range before {
		f(d.daemon)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx, cfg, l) }()
	d.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the daemon ended with: %v", err)
		}
	})
	t.Cleanup(d.stop)
	return d
}

// await waits until every pack has so many slots settled.
func (d *live) await(t *testing.T, slots int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		open := ""
		if e := d.engine.Load(); e == nil {
			open = "the engine"
		} else {
			for _, entry := range e.entries {
				if st := e.Status(entry.Pack.Source, entry.Pack.Key()); st.Sealed+st.Gaps < slots {
					open = fmt.Sprintf("%s: %+v", entry.Pack.Name, st)
				}
			}
		}
		if open == "" {
			return
		}
		if !fault.Sleep(ctx, 20*time.Millisecond) {
			t.Fatalf("never settled: %s", open)
		}
	}
}

// get reads a page of the daemon's.
func (d *live) get(t *testing.T, path string) string {
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

// writeFiles writes files into a folder.
func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// safeBuffer is a buffer that goroutines may share.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
