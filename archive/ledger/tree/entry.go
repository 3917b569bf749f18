package tree

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"packseal.example/internal/evidence"
)

// MaxEntry bounds an entry, in bytes.
const MaxEntry = 1200

// Entry is one leaf: what the object under a key hashes to. What it says follows
// from the key, see [Entry.Kind].
type Entry struct {
	Sum [sha256.Size]byte
	Key string
}

// Of returns the entry of an object's bytes. See [Entry.Check] for what is none.
func Of(key string, b []byte) Entry { return Entry{sha256.Sum256(b), key} }

// String returns the entry as it is hashed, a line of sha256sum without its end.
func (e Entry) String() string { return hex.EncodeToString(e.Sum[:]) + "  " + e.Key }

// Leaf returns the hash of the entry in the tree.
func (e Entry) Leaf() tlog.Hash { return tlog.RecordHash([]byte(e.String())) }

// Check returns an error for an entry that no ledger can hold: whose key is not
// one of a sink, or too long.
func (e Entry) Check() error {
	if !evidence.ValidKey(e.Key) || len(e.String()) > MaxEntry {
		return damaged("an entry with the key %.100q is not valid", e.Key)
	}
	return nil
}

// ParseEntry reads an entry, without the end of its line.
func ParseEntry(s string) (e Entry, err error) {
	sum, key, ok := strings.Cut(s, "  ")
	b, err := hex.DecodeString(sum)
	if !ok || err != nil || len(b) != sha256.Size {
		return e, damaged("%.100q is not a line of sha256sum", s)
	}
	e = Entry{[sha256.Size]byte(b), key}
	if e.String() != s {
		return e, damaged("%.100q is not in lower case", s)
	}
	return e, e.Check()
}

// Kind is what an entry says. Kinds may be added; a reader passes over those that
// it does not know.
type Kind string

// The kinds.
const (
	Manifest Kind = "manifest" // the slot is sealed, by who logged it
	Gap      Kind = "gap"      // the slot is a gap
	Found    Kind = "found"    // a manifest or gap record lay in the archive; nobody vouches for how it came there
	Plan     Kind = "plan"     // how packs are scheduled
	Slate    Kind = "slate"    // which slots fall due, said in advance
	Pruned   Kind = "pruned"   // a report is about to be removed, after its retention; the sum is the report's
	Policy   Kind = "policy"   // what pruning may do from now on
	Void     Kind = "void"     // at a batch's number somebody else wrote; the sum is of these bytes
	NextKey  Kind = "key"      // the next signing key, logged under the one before
	Epoch    Kind = "epoch"    // the first entry of a log that succeeds another

	Statement Kind = "statement" // what was said of a period
)

// Kind returns what the entry says; "" if this program does not know.
func (e Entry) Kind() Kind {
	rest, ours := strings.CutPrefix(e.Key, Dir)
	if !ours {
		switch _, name, ok := evidence.ParseKey(e.Key); {
		case ok && name == evidence.ManifestName:
			return Manifest
		case ok && name == evidence.GapName:
			return Gap
		}
		return ""
	}
	folder, _, _ := strings.Cut(rest, "/")
	switch k := Kind(folder); k {
	case Found, Plan, Slate, Pruned, Policy, Void, NextKey, Epoch, Statement:
		return k
	}
	return ""
}

// FoundKey is the key of an entry for a record that lay in the archive.
func FoundKey(key string) string { return Dir + string(Found) + "/" + key }

// PrunedKey is the key of an entry for a report that is about to be removed.
func PrunedKey(key string) string { return Dir + string(Pruned) + "/" + key }

// VoidKey is the key of an entry for foreign bytes at batch n.
func VoidKey(n int64) string { return Dir + string(Void) + "/" + strconv.FormatInt(n, 10) }

// Object returns the key under which the bytes lie that the entry's sum is of.
func (e Entry) Object() string {
	switch e.Kind() {
	case Found, Pruned:
		return strings.TrimPrefix(e.Key, Dir+string(e.Kind())+"/")
	case Void:
		if n, err := strconv.ParseInt(strings.TrimPrefix(e.Key, Dir+string(Void)+"/"), 10, 64); err == nil && n >= 0 {
			return BatchKey(n)
		}
	}
	return e.Key
}
