package tree

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
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

// Beside returns the key that raw gets where something else has taken the place of an
// object of [StampKey] or [CosignatureKey], which anybody can guess: this one nobody can.
func Beside(key string, raw []byte) string {
	stem, tsr := strings.CutSuffix(key, stampExt)
	sum := sha256.Sum256(raw)
	if stem += "." + hex.EncodeToString(sum[:4]); tsr {
		stem += stampExt
	}
	return stem
}

// besideName matches the names that Beside makes, without their extension.
var besideName = regexp.MustCompile(`^(.+)\.[0-9a-f]{8}$`)

// notBeside returns the name beside which one is that [Beside] made, or the name itself.
func notBeside(name string) string {
	if m := besideName.FindStringSubmatch(name); m != nil {
		return m[1]
	}
	return name
}

// ParseStampKey reads what [StampKey] returned, or [Beside] for that.
func ParseStampKey(key string) (n int64, authority string, ok bool) {
	n, name, ok := parseBelow(StampDir, key)
	authority, tsr := strings.CutSuffix(name, stampExt)
	return n, notBeside(authority), ok && tsr && authority != ""
}

// ParseCosignatureKey reads what [CosignatureKey] returned, or [Beside] for that.
func ParseCosignatureKey(key string) (n int64, id uint32, ok bool) {
	n, name, ok := parseBelow(CosignatureDir, key)
	name = notBeside(name)
	v, err := strconv.ParseUint(name, 16, 32)
	return n, uint32(v), ok && err == nil && fmt.Sprintf("%08x", v) == name
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
