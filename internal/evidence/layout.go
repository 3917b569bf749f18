package evidence

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// The names of the records within a slot's folder.
const (
	ManifestName = "manifest.json"
	GapName      = "gap.json"
)

// ReservedPrefix begins the roots that are packseal's own, such as
// packseal-doctor/ and packseal-ledger/.
const ReservedPrefix = "packseal-"

// Reserved reports whether a key lies below a reserved root, or a name is one.
func Reserved(key string) bool { return strings.HasPrefix(key, ReservedPrefix) }

// LedgerDir is the prefix of the ledger's keys, with the closing slash.
const LedgerDir = ReservedPrefix + "ledger/"

// ledgerFolders are those below LedgerDir that hold objects, besides the plans'.
var ledgerFolders = []string{"batch", "checkpoint", "cosignature", "epoch", "key", "policy", "slate", "stamp", "statement", "tile"}

// IsLedger reports whether a key can be that of an object of the ledger, other than a
// plan.
func IsLedger(key string) bool {
	rest, ok := strings.CutPrefix(key, LedgerDir)
	folder, name, below := strings.Cut(rest, "/")
	return ok && below && name != "" && slices.Contains(ledgerFolders, folder)
}

// ValidKey reports whether a key can be one of an archive: it is UTF-8, not empty,
// does not begin with a slash, and has no control characters, backslashes, or
// elements that are empty or begin with a dot, which are reserved for sinks.
func ValidKey(key string) bool {
	hidden := strings.HasPrefix(key, ".") || strings.Contains(key, "/.")
	return fs.ValidPath(key) && !hidden && !strings.ContainsFunc(key, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\\' })
}

// PackDir returns the prefix of a pack's keys, with the closing slash.
func PackDir(source, pack string) string { return source + "/" + pack + "/" }

// Dir returns the prefix of the slot's keys, with the closing slash.
func (s Slot) Dir() string {
	return PackDir(s.Source, s.Pack) + s.Due.UTC().Format("2006/01/"+DueFormat+"/")
}

// ManifestKey returns the key of the slot's manifest.
func (s Slot) ManifestKey() string { return s.Dir() + ManifestName }

// GapKey returns the key of the slot's gap record.
func (s Slot) GapKey() string { return s.Dir() + GapName }

// ParseKey splits a key into its slot and the name within the slot's folder. It
// reports whether the key is one of the layout's; reserved ones are not.
func ParseKey(key string) (s Slot, name string, ok bool) {
	part := strings.Split(key, "/")
	n := len(part)
	if n < 6 || n > 7 || Reserved(key) {
		return s, "", false
	}
	due, err := time.Parse(DueFormat, part[n-2])
	if err != nil {
		return s, "", false
	}
	s = Slot{Source: part[0], Pack: path.Join(part[1 : n-4]...), Due: due}
	return s, part[n-1], s.Dir()+part[n-1] == key
}

// MemberSource returns the name of the source of a member account of a Resource
// Directory, which the source of that name lists.
func MemberSource(source, account string) string { return source + "." + account }

// SplitMember splits the name of a member account's source.
func SplitMember(name string) (source, account string, ok bool) {
	i := strings.LastIndexByte(name, '.')
	if i < 1 || !IsAccount(name[i+1:]) {
		return "", "", false
	}
	return name[:i], name[i+1:], true
}

// Within reports whether the source of that name is another one, or of a member account
// of that one.
func Within(name, source string) bool {
	parent, _, member := SplitMember(name)
	return name == source || member && parent == source
}

// IsAccount reports whether text is the ID of an account: digits.
func IsAccount(text string) bool {
	return text != "" && len(text) <= 20 && strings.Trim(text, "0123456789") == ""
}
