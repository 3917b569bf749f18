package ledger_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"packseal.example/archive/ledger/tree"
	"packseal.example/sink"
)

// BenchmarkAppend appends 150 entries at a time to ledgers of several sizes, in
// memory and on a disk. To note what is owed is not part of it. Beside it, puts-ms is
// what the sink takes to store two objects of these sizes.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int64{10_000, 1_000_000, 10_000_000} {
		for _, kind := range []string{"memory", "disk"} {
			b.Run(fmt.Sprintf("%s/%d", kind, size), func(b *testing.B) {
				var s sink.Sink = sink.NewMemory()
				if kind == "disk" {
					s = openLocal(b, b.TempDir())
				}
				k := newKey(b, origin)
				r := open(b, k.file, grown(b, s, k, size), s)
				var busy, puts time.Duration
				for n := 0; b.Loop(); n++ {
					b.StopTimer()
					for i := range 150 { // their objects would only fill the sink
						e, _ := object(fmt.Sprintf("%dx", n), i)
						if err := r.Log(e, func() error { return nil }); err != nil {
							b.Fatal(err)
						}
					}
					puts += twoPuts(b, s, n)
					b.StartTimer()
					before := cpu()
					r.commit()
					busy += cpu() - before
				}
				b.ReportMetric(busy.Seconds()*1000/float64(b.N), "cpu-ms/op") // what a busy machine does not change
				b.ReportMetric(puts.Seconds()*1000/float64(b.N), "puts-ms/op")
			})
		}
	}
}

// twoPuts is how long a sink takes to store two objects as large as a batch of 150
// entries and a checkpoint.
func twoPuts(b *testing.B, s sink.Sink, n int) time.Duration {
	began := time.Now()
	for i, size := range []int{30_000, 300} {
		if err := s.Put(b.Context(), fmt.Sprintf("bare/%d/%d", n, i), sink.Bytes(make([]byte, size))); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(began)
}

// cpu is how long this process has computed.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// grown makes a ledger of that many leaves in a sink, of which only the end is
// there, and the state folder of a replica that has seen it.
func grown(b *testing.B, s sink.Sink, k key, size int64) (dir string) {
	b.Helper()
	signer, err := note.NewSigner(k.line)
	if err != nil {
		b.Fatal(err)
	}
	put := func(key string, raw []byte, err error) {
		if err == nil {
			err = s.Put(b.Context(), key, sink.Bytes(raw))
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	tiler, full := tree.Tiler{}, size/tree.TileWidth
	rest := size % tree.TileWidth
	var last []tree.Entry
	for i := range rest {
		e, _ := object("rest", int(i))
		last = append(last, e)
	}
	var tile []tree.Entry
	for i := range tree.TileWidth {
		e, _ := object("tile", i)
		tile = append(tile, e)
	}
	for range full {
		for _, t := range tiler.Fill(tile) {
			if tiler.Full == full {
				put(t.Key, t.Data, nil)
			}
		}
	}
	for level, key := range tree.Unfilled(full) {
		if key != "" {
			var raw []byte
			for _, h := range tiler.Rows[level] {
				raw = append(raw, h[:]...)
			}
			put(key, raw, nil)
		}
	}
	n := size / 150
	batch := tree.Head{Origin: origin, Batches: n, Edge: tiler.Edge()}.Batch(last)
	raw, err := batch.Sign(signer)
	put(tree.BatchKey(n), raw, err)
	head := batch.After()
	raw, err = head.Checkpoint().Sign(signer)
	put(tree.CheckpointKey(n), raw, err)
	dir = b.TempDir()
	raw, err = json.Marshal(map[string]any{
		"origin": origin, "batches": head.Batches, "last": n, "size": head.Edge.Size, "edge": head.Edge.Hashes, "keys": []map[string]any{{"key": k.text, "announced": true}},
	})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "tip"), raw, 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

// BenchmarkRoot hashes a million entries to their root.
func BenchmarkRoot(b *testing.B) {
	entries := make([]tree.Entry, 1_000_000)
	for i := range entries {
		entries[i], _ = object("r", i)
	}
	for b.Loop() {
		if (tree.Edge{}).Add(entries).Root() == (tlog.Hash{}) {
			b.Fatal("no root")
		}
	}
}

// BenchmarkLog notes an entry that is owed.
func BenchmarkLog(b *testing.B) {
	r := open(b, newKey(b, origin).file, b.TempDir(), newStore())
	for i := 0; b.Loop(); i++ {
		r.log("l", i)
	}
}
