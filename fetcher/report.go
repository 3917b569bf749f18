package fetcher

import (
	"encoding/hex"
	"path"
	"strings"
	"time"
)

// Report is a report as it was fetched and checked: the draft of its manifest.
// Its body lies beside it in the spool.
type Report struct {
	Ticket
	Account   string    `json:"account,omitempty"` // the account ID the source names
	Created   time.Time `json:"created"`           // when it was made, by the source's clock
	Fetched   time.Time `json:"fetched"`           // when its last byte came, by the local clock
	Name      string    `json:"name"`              // the object's name in the link's path
	Container Container `json:"container"`
	Size      int64     `json:"size"`   // bytes
	SHA256    string    `json:"sha256"` // hex
	CRC64     string    `json:"crc64"`  // ECMA polynomial, decimal, as OSS writes it
	MD5       string    `json:"md5"`    // hex
}

// Ext returns the extension for the report's file, without the dot: that of
// its name where it is a plain one, else what its container suggests.
func (r Report) Ext() string {
	ext := strings.ToLower(strings.TrimPrefix(path.Ext(r.Name), "."))
	plain := func(c rune) bool { return c < 'a' && (c < '0' || c > '9') || c > 'z' }
	if ext != "" && len(ext) <= 8 && !strings.ContainsFunc(ext, plain) {
		return ext
	}
	switch r.Container {
	case OLE2:
		return "xls"
	case OOXML:
		return "xlsx"
	case Other:
		return "bin"
	}
	return string(r.Container)
}

// Sum returns the report's SHA-256 as bytes.
func (r Report) Sum() (sum [32]byte) {
	hex.Decode(sum[:], []byte(r.SHA256)) //nolint:errcheck // always ours, and compared with the body's
	return sum
}
