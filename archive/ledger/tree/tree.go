// Package tree holds the formats of the ledger, and what follows from them alone:
// entries, batches, checkpoints, tiles and proofs, as bytes. It knows no storage,
// no clock and no network, so that a verifier can be built on it.
//
// The ledger is a transparency log, a Merkle tree by RFC 6962. Its leaves are
// lines of sha256sum (see [Entry]). They are committed in signed [Batch]es with
// running numbers; everything else follows from these: after each batch the
// signed [Checkpoint] of the tree, and once 256 leaves are full their [Tile]s.
// All keys are below [Dir]:
//
//	batch/<N>       the commit: whoever creates it first has the number
//	checkpoint/<N>  of the tree after batch N
//	tile/entries/<N>  tile/<L>/<N>  tile/<L>/<N>.p/<W>
//
// N is written as C2SP tlog-tiles does: 000, x001/234 (see [Number]).
//
// Notes are C2SP signed notes. All text is UTF-8, lines end in LF, numbers are
// decimal without leading zeros, base64 is standard with padding.
//
// Errors are fault.Damaged, unless it says otherwise.
package tree

import (
	"fmt"
	"strconv"
	"strings"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Dir is the prefix of the ledger's keys, with the closing slash.
const Dir = evidence.LedgerDir

// The prefixes of what is numbered, with the closing slash.
const (
	BatchDir      = Dir + "batch/"
	CheckpointDir = Dir + "checkpoint/"
	TileDir       = Dir + "tile/"
)

// BatchKey returns the key of batch n.
func BatchKey(n int64) string { return BatchDir + Number(n) }

// CheckpointKey returns the key of the checkpoint after batch n.
func CheckpointKey(n int64) string { return CheckpointDir + Number(n) }

// Number writes n in groups of three digits, of which each but the last begins
// with x: 000, x001/234, x001/x234/067.
func Number(n int64) string {
	s := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		s = fmt.Sprintf("x%03d/%s", n%1000, s)
	}
	return s
}

// ParseNumber reads what [Number] wrote.
func ParseNumber(s string) (n int64, ok bool) {
	n, err := strconv.ParseInt(strings.NewReplacer("x", "", "/", "").Replace(s), 10, 64)
	return n, err == nil && n >= 0 && Number(n) == s
}

// ParseKey returns the number of a key below dir, which is [BatchDir] or
// [CheckpointDir].
func ParseKey(dir, key string) (n int64, ok bool) {
	s, ok := strings.CutPrefix(key, dir)
	if !ok {
		return 0, false
	}
	return ParseNumber(s)
}

func damaged(format string, args ...any) error { return fault.New(fault.Damaged, format, args...) }
