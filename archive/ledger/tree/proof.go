package tree

import (
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// proofHeader is the first line of a proof.
const proofHeader = "c2sp.org/tlog-proof@v1"

// Proof shows that an entry is in the tree of a checkpoint: a C2SP tlog-proof
// whose extra data is the entry's key.
type Proof struct {
	Key        string
	Index      int64
	Hashes     tlog.RecordProof
	Checkpoint []byte // as it is stored, perhaps with cosignatures
}

// Format writes the proof.
func (p Proof) Format() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nextra %s\nindex %d\n", proofHeader, base64.StdEncoding.EncodeToString([]byte(p.Key)), p.Index)
	for _, h := range p.Hashes {
		fmt.Fprintln(&b, h)
	}
	return append([]byte(b.String()+"\n"), p.Checkpoint...)
}

// ParseProof reads a proof. What it says is not checked yet, see [Proof.Check].
func ParseProof(b []byte) (p Proof, err error) {
	head, checkpoint, _ := strings.Cut(string(b), "\n\n")
	l := lines{rest: head + "\n"}
	if l.next() != proofHeader {
		return p, damaged("it does not begin with %s", proofHeader)
	}
	key, err := base64.StdEncoding.DecodeString(l.field("extra"))
	if err != nil {
		return p, damaged("the extra data: %w", err)
	}
	p = Proof{Key: string(key), Index: integer(l.field("index")), Checkpoint: []byte(checkpoint)}
	for l.err == nil && l.rest != "" && len(p.Hashes) < 64 {
		h, err := tlog.ParseHash(l.next())
		if err != nil {
			return p, damaged("a hash of the proof: %w", err)
		}
		p.Hashes = append(p.Hashes, h)
	}
	if l.err != nil || string(p.Format()) != string(b) {
		return p, damaged("the proof is not in its one form")
	}
	return p, nil
}

// Check returns the checkpoint that the entry is proven by, for the bytes that
// should lie under the proof's key.
func (p Proof) Check(object []byte, known note.Verifiers) (Checkpoint, error) {
	c, _, err := OpenCheckpoint(p.Checkpoint, known)
	if err != nil {
		return c, err
	}
	if p.Index < 0 || p.Index >= c.Size {
		return c, damaged("there is no entry %d in a tree of %d", p.Index, c.Size)
	}
	if err := tlog.CheckRecord(p.Hashes, c.Size, c.Root, p.Index, Of(p.Key, object).Leaf()); err != nil {
		return c, damaged("%s is not entry %d of the ledger: %w", p.Key, p.Index, err)
	}
	return c, nil
}

// Hashes are all hashes of a tree, in memory: 64 bytes an entry. It proves entries.
type Hashes struct {
	size   int64
	stored []tlog.Hash
}

// Add adds an entry.
func (h *Hashes) Add(e Entry) error {
	more, err := tlog.StoredHashesForRecordHash(h.size, e.Leaf(), h)
	if err != nil {
		return damaged("hashing entry %d: %w", h.size, err)
	}
	h.stored, h.size = append(h.stored, more...), h.size+1
	return nil
}

// ReadHashes implements [tlog.HashReader].
func (h *Hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(h.stored)) {
			return nil, damaged("there is no hash %d in a tree of %d entries", x, h.size)
		}
		hashes[i] = h.stored[x]
	}
	return hashes, nil
}
