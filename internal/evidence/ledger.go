package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"time"

	"packseal.example/internal/fault"
)

// The schemas of the ledger's records, besides the plan's, that are written today.
const (
	SlateSchema   = "packseal.slate/v1"
	PolicySchema  = "packseal.policy/v1"
	NextKeySchema = "packseal.key/v1"
	EpochSchema   = "packseal.epoch/v1"
)

// MaxSlate bounds a slate, in bytes: where schedules are dense, its window is
// shorter.
const MaxSlate = 48 << 10

// Slate says in advance what falls due in (From, Until], by a plan. Slates are
// contiguous: the next one begins where this one ends. Fields of this and of the
// other records are in the order of their keys.
type Slate struct {
	Due    []SlateDue `json:"due"`  // by schedule and zone, each once
	From   time.Time  `json:"from"` // UTC, whole seconds
	Plan   string     `json:"plan"` // the plan's SHA-256, hex
	Schema string     `json:"schema"`
	Tool   string     `json:"tool"` // packseal/<version>
	Until  time.Time  `json:"until"`
}

// SlateDue is when the packs of one schedule fall due.
type SlateDue struct {
	Schedule string      `json:"schedule"`
	Times    []time.Time `json:"times"` // UTC, ascending
	Zone     string      `json:"zone"`  // an IANA name
}

// Policy says what pruning may remove from a time on.
type Policy struct {
	Keep   string    `json:"keep"` // how long reports are kept, such as "3y"
	Schema string    `json:"schema"`
	Since  time.Time `json:"since"`
	Tool   string    `json:"tool"`
}

// NextKey announces the next key that signs the ledger.
type NextKey struct {
	Key          string    `json:"key"`           // a verifier key: <origin>+<key ID>+<base64>
	OverlapUntil time.Time `json:"overlap_until"` // until when the key before signs, too
	Schema       string    `json:"schema"`
	Since        time.Time `json:"since"`
	Tool         string    `json:"tool"`
}

// Epoch is the first record of a ledger that succeeds another one.
type Epoch struct {
	Origin string `json:"origin"` // of the ledger before
	Reason string `json:"reason"` // why that one ended, for people
	Root   string `json:"root"`   // of the last checkpoint that is to be believed, base64
	Schema string `json:"schema"`
	Size   int64  `json:"size"`
	Tool   string `json:"tool"`
}

// Encode returns the record and its key:
// packseal-ledger/slate/<until>-<first 12 hex digits of its SHA-256>.json.
func (s Slate) Encode() (key string, raw []byte, err error) {
	s.Schema = SlateSchema
	key, raw, err = encodeNamed(LedgerDir+"slate/"+s.Until.UTC().Format(DueFormat)+"-", s)
	if err == nil && len(raw) > MaxSlate {
		err = fault.New(fault.Internal, "a slate of %d bytes is over the limit of %d", len(raw), MaxSlate)
	}
	return key, raw, err
}

// Encode returns the record and its key, packseal-ledger/policy/<12 hex digits>.json.
func (p Policy) Encode() (key string, raw []byte, err error) {
	p.Schema = PolicySchema
	return encodeNamed(LedgerDir+"policy/", p)
}

// Encode returns the record and its key, packseal-ledger/key/<12 hex digits>.json.
func (k NextKey) Encode() (key string, raw []byte, err error) {
	k.Schema = NextKeySchema
	return encodeNamed(LedgerDir+"key/", k)
}

// Encode returns the record and its key, packseal-ledger/epoch/<12 hex digits>.json.
func (e Epoch) Encode() (key string, raw []byte, err error) {
	e.Schema = EpochSchema
	return encodeNamed(LedgerDir+"epoch/", e)
}

// slateKey matches the keys of slates.
var slateKey = regexp.MustCompile(`^` + LedgerDir + `slate/(\d{8}T\d{6}Z)-[0-9a-f]{12}\.json$`)

// SlateUntil returns when the slate under a key ends; ok = false if it is not the key of
// one.
func SlateUntil(key string) (until time.Time, ok bool) { return timeOf(slateKey, key) }

// DecodeSlate reads the slate that lies under a key. One that belongs under
// another, or whose times are not of its window, is fault.Damaged. See [Decode] for
// other errors.
func DecodeSlate(b []byte, key string) (Slate, error) {
	s, err := decodeNamed[Slate](b, key)
	if err != nil {
		return Slate{}, err
	}
	for _, d := range s.Due {
		ordered := slices.IsSortedFunc(d.Times, time.Time.Compare)
		if n := len(d.Times); !ordered || n > 0 && (!d.Times[0].After(s.From) || d.Times[n-1].After(s.Until)) {
			return Slate{}, fault.New(fault.Damaged, "the slate's times are not in order within %s and %s", s.From, s.Until)
		}
	}
	return s, nil
}

// DecodePolicy reads the policy that lies under a key. Errors are as of DecodeSlate.
func DecodePolicy(b []byte, key string) (Policy, error) { return decodeNamed[Policy](b, key) }

// DecodeNextKey reads the announcement of a key that lies under a key of the
// archive. Errors are as of DecodeSlate.
func DecodeNextKey(b []byte, key string) (NextKey, error) { return decodeNamed[NextKey](b, key) }

// DecodeEpoch reads the epoch that lies under a key. Errors are as of DecodeSlate.
func DecodeEpoch(b []byte, key string) (Epoch, error) { return decodeNamed[Epoch](b, key) }

// Named is a record whose key ends in the beginning of its SHA-256.
type Named interface {
	Encode() (key string, raw []byte, err error)
}

// encodeNamed returns the record and its key: prefix, the first 12 hex digits of its
// SHA-256, and ".json".
func encodeNamed(prefix string, v any) (key string, raw []byte, err error) {
	raw, err = Encode(v)
	sum := sha256.Sum256(raw)
	return prefix + hex.EncodeToString(sum[:6]) + ".json", raw, err
}

// decodeNamed reads the record of a type that lies under a key.
func decodeNamed[T Named](b []byte, key string) (v T, err error) {
	decoded, err := Decode(b)
	if err != nil {
		return v, err
	}
	v, ok := decoded.(T)
	if !ok {
		return v, fault.New(fault.Damaged, "the record is a %T, not a %T", decoded, v)
	}
	own, raw, err := v.Encode()
	if err != nil || own != key || !bytes.Equal(raw, b) {
		var none T
		return none, fault.New(fault.Damaged, "the record belongs under the key %.400q", own)
	}
	return v, nil
}
