package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/fault"
	"packseal.example/test/lab"
)

// remembered is what the queue's bucket knows of its servers.
func remembered(t *testing.T, q *JetStream) (versions map[string]string) {
	t.Helper()
	value, _, err := q.stream.bucket.Get(t.Context(), versionsKey)
	if err != nil || json.Unmarshal(value, &versions) != nil {
		t.Fatalf("%s, %v", value, err)
	}
	return versions
}

// remember has the bucket say that its server was of that version.
func remember(t *testing.T, q *JetStream, version string) {
	t.Helper()
	_, revision, err := q.stream.bucket.Get(t.Context(), versionsKey)
	if err == nil {
		_, err = q.stream.bucket.CompareAndSwap(t.Context(), versionsKey, []byte(`{"": "`+version+`"}`), revision)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// reopen opens a queue whose store exists, and returns what it logged.
func reopen(t *testing.T, o Options) (logged string, err error) {
	t.Helper()
	var log lab.Buffer
	o.Logger, o.Registerer = slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	ctx, cancel := context.WithTimeout(t.Context(), lab.Patience)
	defer cancel()
	q, err := Open(ctx, o)
	if err == nil {
		err = q.Close()
	}
	return log.String(), err
}

// TestOlderServer: a server that is older than the one that wrote the store is
// refused, one of an older patch release is warned of, and the newest is
// remembered.
func TestOlderServer(t *testing.T) {
	t.Parallel()
	now := release(server.VERSION)
	patched := fmt.Sprintf("%d.%d.%d", now[0], now[1], now[2]+1)
	for had, refused := range map[string]bool{
		server.VERSION: false, "2.9.10": false, "nonsense": false, patched: false, "2.99.0-beta.1": true, "3.0.0": true,
	} {
		dir := t.TempDir()
		q, _ := open(t, dir)
		remember(t, q, had)
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		logged, err := reopen(t, Options{Dir: dir})
		if refused {
			if fault.Of(err) != fault.Conflict || !strings.Contains(err.Error(), had) || !strings.Contains(fault.Hint(err), "move its store away") {
				t.Errorf("after %s: %v, hint %s", had, err, fault.Hint(err))
			}
			continue
		}
		if err != nil || strings.Contains(logged, "older than its store") != (had == patched) {
			t.Errorf("after %s: %v\n%s", had, err, logged)
		}
		q, _ = open(t, dir)
		if known := remembered(t, q)[""]; slices.Compare(release(known), now) < 0 || had == patched && known != had {
			t.Errorf("after %s it remembers %s", had, known)
		}
	}
}

// TestOlderServerOutside: the system's server is refused on the store of a newer
// one, at the start and when a connection comes back to it.
func TestOlderServerOutside(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	address, stop := newest(t, server.Options{StoreDir: store})
	n := NATS{Servers: []string{address}}
	var log lab.Buffer
	q, err := Open(t.Context(), Options{
		Dir: t.TempDir(), NATS: &n, Logger: slog.New(slog.NewTextHandler(io.MultiWriter(&log, t.Output()), nil)), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	if known := remembered(t, q); known[""] != server.VERSION {
		t.Errorf("it remembers %v", known)
	}
	stop()
	packagedOn(t, store, strings.TrimPrefix(address, "nats://"))
	lab.Eventually(t, "the older server is told", func() bool { return strings.Contains(log.String(), "queue server older than its store") })
	if _, err := reopen(t, Options{NATS: &n}); fault.Of(err) != fault.Conflict || !strings.Contains(err.Error(), "nats-server 2.") {
		t.Errorf("got %v", err)
	}
}
