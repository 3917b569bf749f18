package fetcher

import (
	"encoding/hex"
	"path"
	"strconv"
	"strings"
	"time"

	"packseal.example/internal/evidence"
)

// Report describes a report that was fetched and verified. Its body is in the
// spool.
type Report struct {
	Ticket
	Account   string             `json:"account,omitempty"` // the account ID that the source reports
	Created   time.Time          `json:"created"`           // when it was generated, by the source's clock
	Fetched   time.Time          `json:"fetched"`           // when the download was complete, by the local clock
	Name      string             `json:"name"`              // the name of the object in the link's path
	Container evidence.Container `json:"container"`

	ContentEncoding string   `json:"content_encoding,omitempty"` // how the body is compressed, as it was sent and is kept
	Anomalies       []string `json:"anomalies,omitempty"`        // what is odd about the body, see [evidence.Anomaly]

	Evaluated *evidence.Evaluated `json:"evaluated,omitempty"` // the evaluation before it was requested, if there was to be one

	Imported *evidence.Imported `json:"imported,omitempty"` // it was not fetched, see [Entry.Receive]

	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // hex
	CRC64  string `json:"crc64"`  // ECMA polynomial, decimal, as OSS writes it
	MD5    string `json:"md5"`    // hex
}

// Ext returns the extension for the report's file, without the dot: that of its
// name if it is up to 8 letters and digits, and otherwise one for its container;
// and one more if it is compressed.
func (r Report) Ext() string {
	ext := r.extension()
	if ext == "" {
		ext = r.Container.Ext()
	}
	switch r.ContentEncoding {
	case "":
		return ext
	case "gzip":
		return ext + ".gz"
	}
	return ext + ".bin"
}

// extension returns that of the name, without the one for a compressed file, or
// "" if it is not fit for a file.
func (r Report) extension() string {
	name := strings.ToLower(r.Name)
	if r.ContentEncoding == "gzip" {
		name = strings.TrimSuffix(name, ".gz")
	}
	ext := strings.TrimPrefix(path.Ext(name), ".")
	invalid := func(c rune) bool { return c < 'a' && (c < '0' || c > '9') || c > 'z' }
	if len(ext) > 8 || strings.ContainsFunc(ext, invalid) {
		return ""
	}
	return ext
}

// Sum returns the report's SHA-256 as bytes.
func (r Report) Sum() (sum [32]byte) {
	hex.Decode(sum[:], []byte(r.SHA256)) //nolint:errcheck // written by us, and compared with that of the body
	return sum
}

// Sums returns the report's MD5 and CRC-64; ok is false if it lacks one of them.
func (r Report) Sums() (md5 [16]byte, crc64 uint64, ok bool) {
	sum, err := hex.DecodeString(r.MD5)
	crc64, err2 := strconv.ParseUint(r.CRC64, 10, 64)
	copy(md5[:], sum)
	return md5, crc64, err == nil && err2 == nil && len(sum) == len(md5)
}
