package tree

import (
	"fmt"
	"strconv"
	"strings"
)

// The prefixes of what others said of a checkpoint, with the closing slash. Nothing of
// it is in the tree.
const (
	StampDir       = Dir + "stamp/"
	CosignatureDir = Dir + "cosignature/"
)

// stampExt ends the keys of time-stamps.
const stampExt = ".tsr"

// StampKey returns the key of an authority's time-stamp of the checkpoint after batch n.
func StampKey(n int64, authority string) string {
	return StampDir + Number(n) + "/" + authority + stampExt
}

// CosignatureKey returns the key of a witness's cosignature of the checkpoint after
// batch n. id is that of the witness's key.
func CosignatureKey(n int64, id uint32) string {
	return fmt.Sprintf("%s%s/%08x", CosignatureDir, Number(n), id)
}

// ParseStampKey reads what [StampKey] returned.
func ParseStampKey(key string) (n int64, authority string, ok bool) {
	n, name, ok := parseBelow(StampDir, key)
	authority, tsr := strings.CutSuffix(name, stampExt)
	return n, authority, ok && tsr && authority != ""
}

// ParseCosignatureKey reads what [CosignatureKey] returned.
func ParseCosignatureKey(key string) (n int64, id uint32, ok bool) {
	n, name, ok := parseBelow(CosignatureDir, key)
	v, err := strconv.ParseUint(name, 16, 32)
	return n, uint32(v), ok && err == nil && CosignatureKey(n, uint32(v)) == key
}

// parseBelow reads a key of dir, a number and a name.
func parseBelow(dir, key string) (n int64, name string, ok bool) {
	rest, ok := strings.CutPrefix(key, dir)
	slash := strings.LastIndexByte(rest, '/')
	if !ok || slash < 0 {
		return 0, "", false
	}
	n, ok = ParseNumber(rest[:slash])
	return n, rest[slash+1:], ok
}
