package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"slices"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
)

// Entries yields the entries of a ledger in order. After the last one they have been
// checked against its signed tip.
type Entries func(context.Context) iter.Seq2[tree.Entry, error]

// vouched is what the ledger has entries of: hashes by keys.
// It takes about 100 bytes an entry. nil = there is no ledger.
type vouched map[keyed][][sha256.Size]byte

// keyed stands for a key: the first half of its hash.
type keyed [sha256.Size / 2]byte

// vouches reads the entries of the ledger; nil if there is none.
func vouches(ctx context.Context, entries Entries) (vouched, error) {
	if entries == nil {
		return nil, nil
	}
	v := make(vouched)
	for e, err := range entries(ctx) {
		if err != nil {
			return nil, err
		}
		id := keyID(e.Key)
		v[id] = append(v[id], e.Sum)
	}
	return v, nil
}

func keyID(key string) (id keyed) {
	sum := sha256.Sum256([]byte(key))
	copy(id[:], sum[:])
	return id
}

// against returns what is wrong with a record by the ledger: Unlogged, if it has no
// entry of the key, Altered, if that is of other bytes, or nothing.
func (v vouched) against(key string, raw []byte) Kind {
	if v == nil {
		return ""
	}
	sums := slices.Concat(v[keyID(key)], v[keyID(tree.FoundKey(key))])
	switch {
	case len(sums) == 0:
		return Unlogged
	case !slices.Contains(sums, sha256.Sum256(raw)):
		return Altered
	}
	return ""
}

// pruned reports whether a report was removed on purpose.
func (v vouched) pruned(m evidence.Manifest) bool {
	sum, err := hex.DecodeString(m.SHA256)
	return err == nil && len(sum) == sha256.Size && slices.Contains(v[keyID(tree.PrunedKey(m.ReportKey()))], [sha256.Size]byte(sum))
}
