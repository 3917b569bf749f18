// Package cosignature reads and verifies cosignatures: the statement of a witness that
// a checkpoint's tree contains all trees of that log that it saw before
// (c2sp.org/tlog-cosignature). It knows no storage, no clock and no network.
//
// A cosignature is a line of a signed note:
//
//	— <name of the witness> <base64(4 bytes key ID ‖ 8 bytes POSIX time ‖ signature)>
//
// Those with Ed25519 (type 0x04) are verified. Those with ML-DSA-44 (type 0x06) are
// recognized, see [Line.Unverifiable].
package cosignature

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"packseal.example/internal/fault"
)

// The types of keys.
const (
	typeEd25519 = 4
	typeMLDSA   = 6
)

// sizeMLDSA is the size of an ML-DSA-44 signature.
const sizeMLDSA = 2420

// Verifier is the key of a witness. It is a note.Verifier, too.
type Verifier struct {
	name   string
	id     uint32
	public ed25519.PublicKey
}

// NewVerifier reads a verifier key, <name>+<8 hex digits key ID>+<base64(type ‖ key)>.
// Its error is fault.Request.
func NewVerifier(text string) (*Verifier, error) {
	const hint = "as the witness publishes it: <name>+<key ID>+<base64>"
	if strings.HasPrefix(strings.TrimSpace(text), "PRIVATE+KEY+") {
		return nil, fault.New(fault.Request, "it is a private key").WithHint(hint)
	}
	name, rest, _ := strings.Cut(text, "+")
	id, encoded, ok := strings.Cut(rest, "+")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) == 0 || !validName(name) {
		return nil, fault.New(fault.Request, "%.200q is not a verifier key", text).WithHint(hint)
	}
	switch {
	case key[0] == typeMLDSA:
		return nil, fault.New(fault.Request, "the key of witness %.100s is of type 6 (ML-DSA-44), which is not verified here", name).WithHint("give its Ed25519 key, of type 4")
	case key[0] != typeEd25519 || len(key) != 1+ed25519.PublicKeySize:
		return nil, fault.New(fault.Request, "the key of %.100s is of type %d, not one of a witness", name, key[0]).WithHint("give the witness's key of type 4; type 1 is of a log")
	}
	v := &Verifier{name, KeyID(name, key), key[1:]}
	if hex.EncodeToString(binary.BigEndian.AppendUint32(nil, v.id)) != id {
		return nil, fault.New(fault.Request, "the key of witness %.100s has the ID %08x, not %.20q", name, v.id, id).WithHint("copy it again: it is damaged")
	}
	return v, nil
}

// validName is what signed notes allow.
func validName(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || r == '+' })
}

// KeyID returns the ID of a key: type, then key.
func KeyID(name string, key []byte) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"), key...))
	return binary.BigEndian.Uint32(sum[:])
}

// Name returns the witness's name.
func (v *Verifier) Name() string { return v.name }

// KeyHash returns the key ID.
func (v *Verifier) KeyHash() uint32 { return v.id }

// Verify reports whether sig, of a line after its key ID, is the witness's of a
// checkpoint's text.
func (v *Verifier) Verify(text, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize || sig[0] > 0x7f {
		return false
	}
	return ed25519.Verify(v.public, Message(binary.BigEndian.Uint64(sig), string(text)), sig[8:])
}

// Message returns what is signed: time is in seconds since 1970, text the checkpoint's
// without its signatures.
func Message(time uint64, text string) []byte {
	return fmt.Appendf(nil, "cosignature/v1\ntime %s\n%s", strconv.FormatUint(time, 10), text)
}

// Line is a signature line. What it says is not checked yet, see [Line.Verify].
type Line struct {
	Name      string
	ID        uint32    // of the key
	Time      time.Time // when the witness signed, UTC, whole seconds
	signature []byte    // with the time
}

// Parse reads a line, with the LF at its end. Its error is fault.Damaged.
func Parse(s string) (Line, error) {
	rest, ok := strings.CutPrefix(s, "— ")
	name, encoded, _ := strings.Cut(rest, " ")
	b, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(encoded, "\n"))
	if !ok || err != nil || !validName(name) || len(b) < 12 || b[4] > 0x7f {
		return Line{}, fault.New(fault.Damaged, "%.200q is not the line of a cosignature", s)
	}
	l := Line{name, binary.BigEndian.Uint32(b), time.Unix(int64(binary.BigEndian.Uint64(b[4:])), 0).UTC(), b[4:]} //nolint:gosec // its first bit is 0
	if l.String() != s {
		return Line{}, fault.New(fault.Damaged, "%.200q is not in the one form that a cosignature has", s)
	}
	return l, nil
}

// String returns the line with its LF.
func (l Line) String() string {
	return "— " + l.Name + " " + base64.StdEncoding.EncodeToString(append(binary.BigEndian.AppendUint32(nil, l.ID), l.signature...)) + "\n"
}

// Unverifiable reports whether the line has the shape of one with ML-DSA-44.
func (l Line) Unverifiable() bool { return len(l.signature) == 8+sizeMLDSA }

// Verify returns an error, fault.Damaged, unless the line is the witness's of a
// checkpoint's text, that is without the signatures.
func (l Line) Verify(text string, v *Verifier) error {
	if l.Name != v.name || l.ID != v.id || !v.Verify([]byte(text), l.signature) {
		return fault.New(fault.Damaged, "the line of %.100q, key %08x, is not a cosignature of witness %s, key %08x, for this checkpoint", l.Name, l.ID, v.name, v.id)
	}
	return nil
}
