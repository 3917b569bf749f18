package s3

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/sink"
)

// ledgerKey makes a key of a ledger, and returns its file.
func ledgerKey(t *testing.T) string {
	t.Helper()
	key, _, err := ledger.GenerateKey("example.com/packseal/test")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key.Reveal()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// ledgerIn opens a replica of a ledger, without state, in a sink.
func ledgerIn(t *testing.T, s *Sink, keyFile string) *ledger.Ledger {
	t.Helper()
	const origin = "example.com/packseal/test"
	keys, err := ledger.ReadKeys(secret.File(keyFile), origin)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(ledger.Options{
		Origin: origin, Keys: keys, Sinks: []ledger.Target{{Name: "bucket", Sink: s}}, Dir: t.TempDir(), Tool: "packseal/test", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// undelete removes the delete markers over keys.
func (s *Sink) undelete(t *testing.T, keys []string) {
	t.Helper()
	for _, key := range keys {
		in := &s3.ListObjectVersionsInput{Bucket: &s.options.Bucket, Prefix: s.key(key)}
		page, err := s.client.ListObjectVersions(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.DeleteMarkers {
			if _, err := s.client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: in.Bucket, Key: m.Key, VersionId: m.VersionId}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// deletedOf returns the keys of what was deleted of a ledger, as its check tells.
func (s *Sink) deletedOf(t *testing.T, l *ledger.Ledger) (keys []string) {
	t.Helper()
	known, origin, err := ledger.VerifierKeys(l.Keys.Verifiers()[0])
	if err != nil {
		t.Fatal(err)
	}
	v, err := ledger.Look(t.Context(), ledger.Options{Origin: origin, Keys: known, Sinks: l.Sinks, Logger: l.Logger})
	if err == nil {
		err = v.Check(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range v.Problems() {
		if p.Kind == ledger.RolledBack {
			keys = append(keys, p.Key)
		}
	}
	return keys
}

// TestDeleteMarkerOverBatch: where somebody deletes the last batch of a ledger, or that and
// its checkpoint, neither a replica that has seen it nor a fresh one signs another in its
// place; with the delete markers gone, both go on.
func TestDeleteMarkerOverBatch(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		file := ledgerKey(t)
		s := open(t, p.versionedBucket(t))
		running := ledgerIn(t, s, file)
		kept := func(l *ledger.Ledger, name string) error {
			raw := []byte(name)
			err := l.Log(tree.Of("prod/cp-1/2026/03/20260331T180000Z/"+name, raw), func() error {
				return s.Put(t.Context(), "prod/cp-1/2026/03/20260331T180000Z/"+name, sink.Bytes(raw))
			})
			if err != nil {
				t.Fatal(err)
			}
			return l.Commit(t.Context())
		}
		for _, name := range []string{"a.json", "b.json"} {
			if err := kept(running, name); err != nil {
				t.Fatal(err)
			}
		}
		before := running.Status().Checkpoint
		for _, checkpoint := range []bool{false, true} {
			last := running.Status().Batches - 1
			gone := []string{tree.BatchKey(last)}
			if checkpoint {
				gone = append(gone, tree.CheckpointKey(last))
			}
			for _, key := range gone {
				s.remove(t, key)
			}
			fresh := ledgerIn(t, s, file)
			for name, l := range map[string]*ledger.Ledger{"running": running, "fresh": fresh} {
				err := kept(l, fmt.Sprintf("%s-%t.json", name, checkpoint))
				if fault.Of(err) != fault.Conflict || !strings.Contains(err.Error(), "rolled_back") {
					t.Errorf("%s, without %v: %v", name, gone, err)
				}
			}
			if _, err := s.Open(t.Context(), gone[0]); fault.Of(err) != fault.NotFound {
				t.Errorf("something is in its place: %v", err)
			}
			if found := s.deletedOf(t, running); !slices.Equal(found, gone) {
				t.Errorf("a verification sees that %q were deleted, want %q", found, gone)
			}
			s.undelete(t, gone)
			if err := fresh.Commit(t.Context()); err != nil {
				t.Errorf("it is back: %v", err)
			}
			if err := running.Commit(t.Context()); err != nil || running.Status().Checkpoint.Size <= before.Size {
				t.Errorf("it is back: %v at %v", err, running.Status().Checkpoint)
			}
			before = running.Status().Checkpoint
		}
	})
}

// TestPlantedAndDeleted: who writes where the next batch belongs, and deletes it again, does
// not keep the ledger from going on, where the store lets another object take the place.
func TestPlantedAndDeleted(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		s := open(t, p.versionedBucket(t))
		l := ledgerIn(t, s, ledgerKey(t))
		if err := l.Append(t.Context(), []tree.Entry{tree.Of("a", nil)}); err != nil {
			t.Fatal(err)
		}
		key := tree.BatchKey(1)
		for _, text := range []string{"rubbish", "more of it"} {
			s.overwrite(t, key, []byte(text))
			s.remove(t, key)
		}
		err := l.Append(t.Context(), []tree.Entry{tree.Of("b", nil)})
		if p.name == "versitygw" { // it takes a delete marker for an object
			want(t, err, fault.Deleted, "delete marker")
		} else if err != nil || l.Status().Checkpoint.Size != 2 {
			t.Errorf("%v, %+v", err, l.Status())
		}
		if ps := l.Status().Problems; len(ps) != 1 || ps[0].Kind != ledger.Void || ps[0].Key != key {
			t.Errorf("problems %v", ps)
		}
	})
}

// TestOverwritten: something else was written over the last batch and its checkpoint, and
// maybe deleted, in a bucket that keeps versions. A replica that did not see the batch finds
// it below, and signs nothing.
func TestOverwritten(t *testing.T) {
	eachServer(t, func(t *testing.T, p *server) {
		s, file := open(t, p.versionedBucket(t)), ledgerKey(t)
		l := ledgerIn(t, s, file)
		for _, name := range []string{"a", "b"} {
			if err := l.Append(t.Context(), []tree.Entry{tree.Of(name, nil)}); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			s.overwrite(t, tree.BatchKey(1), []byte("rubbish"))
			s.overwrite(t, tree.CheckpointKey(1), []byte("rubbish"))
		}
		for range 2 {
			fresh := ledgerIn(t, s, file)
			err := fresh.Append(t.Context(), []tree.Entry{tree.Of("c", nil)})
			if fault.Of(err) != fault.Conflict || !strings.Contains(err.Error(), "rolled_back") {
				t.Errorf("%v", err)
			}
			s.remove(t, tree.BatchKey(1))
		}
	})
}

// overwrite writes an object over what is there, as others may.
func (s *Sink) overwrite(t *testing.T, key string, b []byte) {
	t.Helper()
	if _, err := s.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.options.Bucket, Key: s.key(key), Body: bytes.NewReader(b)}); err != nil {
		t.Fatal(err)
	}
}
