package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// The modes of [Reports].
const (
	AllReports     = "all"
	NoReports      = "none"
	SampledReports = "sample"
)

// Reports says which reports of the period a bundle has: all that were not removed
// after their retention, none, or a sample, which whoever makes the bundle does not
// choose: see [Reports.Choose].
type Reports struct {
	Mode   string `json:"mode"`
	Sample int    `json:"sample,omitempty"` // how many there are in a sample
}

// Choose returns those of the keys that the bundle has of the statement's checkpoint,
// ordered. Those of a sample have the least SHA-256 of the checkpoint's root, in
// base64, a space and the key.
func (r Reports) Choose(c Checkpoint, keys []string) []string {
	switch r.Mode {
	case AllReports:
		return slices.Sorted(slices.Values(keys))
	case SampledReports:
		sums := make(map[string][]byte, len(keys))
		for _, key := range keys {
			sum := sha256.Sum256([]byte(c.Root + " " + key))
			sums[key] = sum[:]
		}
		keys = slices.SortedFunc(slices.Values(keys), func(x, y string) int { return bytes.Compare(sums[x], sums[y]) })
		return slices.Sorted(slices.Values(keys[:min(r.Sample, len(keys))]))
	}
	return nil
}

// Key returns the key of the ledger's entry for a statement, by its bytes:
// packseal-ledger/statement/<until>-<first 12 hex digits of its SHA-256>.json.
func (s Statement) Key(raw []byte) string {
	sum := sha256.Sum256(raw)
	return tree.Dir + string(tree.Statement) + "/" + s.Until.UTC().Format(evidence.DueFormat) + "-" + hex.EncodeToString(sum[:6]) + ".json"
}

// checkStatement returns an error unless a statement belongs under its key.
func checkStatement(raw []byte, key string) error {
	var s Statement
	if err := json.Unmarshal(raw, &s); err != nil {
		return fault.New(fault.Damaged, "it is not a statement: %w", err)
	}
	if !strings.HasPrefix(s.Schema, "packseal.statement/") || s.Key(raw) != key {
		return fault.New(fault.Damaged, "the statement belongs under the key %.400q", s.Key(raw))
	}
	return nil
}

// Find makes a finding of somebody else's, with the sentence in English and in
// Chinese, which have verbs for args.
func Find(w Word, key, english, chinese string, args ...any) Finding {
	return find(w, key, said{english, chinese}, args...)
}
