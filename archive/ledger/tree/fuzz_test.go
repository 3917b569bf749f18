package tree_test

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

// refused fails the test unless a stranger's bytes are refused as damaged.
func refused(t *testing.T, err error) {
	t.Helper()
	if fault.Of(err) != fault.Damaged {
		t.Errorf("%v is not damaged", err)
	}
}

// FuzzEntry: what is read as an entry is written again as the same bytes.
func FuzzEntry(f *testing.F) {
	f.Add(entry(1).String())
	f.Fuzz(func(t *testing.T, s string) {
		e, err := tree.ParseEntry(s)
		if err != nil {
			refused(t, err)
		} else if e.String() != s || e.Check() != nil || len(s) > tree.MaxEntry {
			t.Errorf("%q is read as %q", s, e)
		}
	})
}

// FuzzBatch: likewise.
func FuzzBatch(f *testing.F) {
	_, heads := log(f, 1, 2)
	f.Add(heads[0].Batch(entries(1, 3)).Text())
	f.Fuzz(func(t *testing.T, s string) {
		b, err := tree.ParseBatch(s)
		if err != nil {
			refused(t, err)
		} else if b.Text() != s || b.After().Edge.Check() != nil {
			t.Errorf("%q is read as %q", s, b.Text())
		}
	})
}

// FuzzCheckpoint: likewise.
func FuzzCheckpoint(f *testing.F) {
	_, heads := log(f, 3)
	f.Add(heads[0].Checkpoint().Text())
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := tree.ParseCheckpoint(s); err != nil {
			refused(t, err)
		} else if c.Text() != s {
			t.Errorf("%q is read as %q", s, c.Text())
		}
	})
}

// FuzzNote: what opens says what was signed, whatever stands beside it.
func FuzzNote(f *testing.F) {
	raws, heads := log(f, 3, 4)
	_, verifier := key(f, origin, 1)
	f.Add(raws[1])
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, _, err := heads[0].Open(raw, note.VerifierList(verifier))
		if err != nil {
			refused(t, err)
			if errors.Is(err, tree.ErrUnsigned) && errors.Is(err, tree.ErrForked) {
				t.Errorf("%v is both", err)
			}
		} else if b.After().Checkpoint() != heads[1].Checkpoint() || !bytes.HasPrefix(raw, []byte(b.Text())) {
			t.Errorf("%q is read as a batch that was not signed", raw)
		}
	})
}

// FuzzTile: tiles of entries and of hashes.
func FuzzTile(f *testing.F) {
	f.Add(tree.FormatEntries(entries(0, 3)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if es, err := tree.ParseEntries(b); err != nil {
			refused(t, err)
		} else if again := tree.FormatEntries(es); !bytes.Equal(again, b) {
			t.Errorf("%q is written again as %q", b, again)
		}
		if hashes, err := tree.ParseHashes(b); err != nil {
			refused(t, err)
		} else if 32*len(hashes) != len(b) {
			t.Errorf("%d bytes are %d hashes", len(b), len(hashes))
		}
	})
}

// FuzzProof: what is read as a proof is written again as the same bytes, and
// proves nothing else.
func FuzzProof(f *testing.F) {
	_, heads := log(f, 1)
	signer, verifier := key(f, origin, 1)
	checkpoint, err := heads[0].Checkpoint().Sign(signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(tree.Proof{Key: entry(0).Key, Checkpoint: checkpoint}.Format())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := tree.ParseProof(b)
		if err != nil {
			refused(t, err)
			return
		}
		if !bytes.Equal(p.Format(), b) {
			t.Errorf("%q is written again as %q", b, p.Format())
		}
		if _, err := p.Check([]byte("0"), note.VerifierList(verifier)); err == nil && (p.Key != entry(0).Key || p.Index != 0) {
			t.Errorf("it proves entry %d, %q", p.Index, p.Key)
		}
	})
}
