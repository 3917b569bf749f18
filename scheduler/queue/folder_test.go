package queue

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"packseal.example/internal/fault"
)

// TestBucketOutlivesARestart: so do what it holds and this replica's name.
func TestBucketOutlivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q, _ := open(t, dir)
	if _, err := q.stream.bucket.CompareAndSwap(t.Context(), "a.key", []byte("a value"), 0); err != nil {
		t.Fatal(err)
	}
	name := q.group.Name()
	q.Close()
	q, _ = open(t, dir)
	if value, _, err := q.stream.bucket.Get(t.Context(), "a.key"); err != nil || string(value) != "a value" {
		t.Errorf("after a restart the bucket says %q, %v", value, err)
	}
	if q.group.Name() != name {
		t.Errorf("after a restart it is %s, before %s", q.group.Name(), name)
	}
}

// TestEarlierBucket: a bucket as an earlier version has made it, whose followers
// answer reads, is read and changed so that they do not.
func TestEarlierBucket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q, _ := open(t, dir)
	js, name := q.stream.js, q.stream.prefix.bucket()
	if err := js.DeleteKeyValue(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{
		Bucket: name, Storage: jetstream.FileStorage, MaxBytes: bucketBytes, Replicas: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	pauses := `[{"source":"prod","pack":"cp-1","since":"2026-03-04T02:00:00Z","by":"alice","why":"storage moves"}]`
	if _, err := kv.PutString(t.Context(), "pauses", pauses); err != nil {
		t.Fatal(err)
	}
	q.Close()
	q, _ = open(t, dir)
	if p, ok := q.Paused("prod", "cp-1"); !ok || p.By != "alice" {
		t.Errorf("paused is %+v", q.Pauses())
	}
	stream, err := q.stream.js.Stream(t.Context(), "KV_"+name)
	if err != nil {
		t.Fatal(err)
	}
	if stream.CachedInfo().Config.AllowDirect {
		t.Error("followers answer reads")
	}
}

func TestMemberName(t *testing.T) {
	t.Parallel()
	dir, discard := t.TempDir(), slog.New(slog.DiscardHandler)
	first, err := memberName(dir, "packseal-0", discard)
	if err != nil || !strings.HasPrefix(first, "packseal-0.") {
		t.Fatalf("%q, %v", first, err)
	}
	if again, _ := memberName(dir, "packseal-0", discard); again != first {
		t.Errorf("%s became %s", first, again)
	}
	if other, _ := memberName(t.TempDir(), "packseal-0", discard); other == first {
		t.Errorf("two folders share the name %s", other)
	}
	if err := os.WriteFile(filepath.Join(dir, "member"), []byte("torn *"), 0o600); err != nil {
		t.Fatal(err)
	}
	if renamed, err := memberName(dir, "", discard); err != nil || strings.ContainsAny(renamed, "* \n") {
		t.Errorf("after a torn file: %q, %v", renamed, err)
	}
	var log bytes.Buffer
	unsaved, err := memberName(filepath.Join(dir, "gone"), "packseal-0", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil || !strings.HasPrefix(unsaved, "packseal-0.") || !strings.Contains(log.String(), "replica name not saved") {
		t.Errorf("a name that can't be saved: %q, %v, %s", unsaved, err, &log)
	}
}

// TestRunning tells whether the folder is locked.
func TestRunning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	is := func(want bool) {
		t.Helper()
		if got, err := Running(dir); got != want || err != nil {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	is(false)
	f, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	is(true)
	if _, err := lock(dir); fault.Of(err) != fault.Busy {
		t.Errorf("locked twice: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	is(false)
	if _, err := Running(filepath.Join(dir, "lock")); err == nil {
		t.Error("a file passes for a folder")
	}
}
