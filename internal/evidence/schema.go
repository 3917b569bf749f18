package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"packseal.example/internal/fault"
)

// The schemas that are written today.
const (
	ManifestSchema = "packseal.manifest/v2"
	GapSchema      = "packseal.gap/v1"
)

// schemas is the table of schemas: what decodes a record by its schema. A schema
// that was ever written stays here forever.
var schemas = map[string]func([]byte) (any, error){
	"packseal.manifest/v1": decodeManifestV1,
	ManifestSchema:         canonical[Manifest],
	GapSchema:              canonical[Gap],
}

// MaxRecord bounds a record, in bytes.
const MaxRecord = 64 << 10

// Decode reads a record by its schema and returns a [Manifest] or a [Gap]. A
// field that its schema does not have, and any form but the canonical one, is
// fault.Damaged. A schema of packseal's that this program does not know is
// fault.Newer: the record is of a newer packseal, and says nothing here.
func Decode(b []byte) (any, error) {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fault.Wrap(fault.Damaged, fmt.Errorf("decoding a record: %w", err))
	}
	if decode, ok := schemas[head.Schema]; ok {
		return decode(b)
	}
	if schemaName.MatchString(head.Schema) {
		return nil, fault.New(fault.Newer, "schema %.100s is newer than this program", head.Schema).
			WithHint("a newer packseal wrote the record: upgrade this one to read it")
	}
	return nil, fault.New(fault.Damaged, "%.100q is not a schema of packseal", head.Schema)
}

// schemaName matches the names that schemas have or will have.
var schemaName = regexp.MustCompile(`^packseal\.[a-z][a-z_]{0,30}/v[1-9][0-9]{0,3}$`)

// canonical decodes a record that must be in canonical form: what it holds
// beyond its type's fields would be lost, and so is an error.
func canonical[T any](b []byte) (any, error) {
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, fault.Wrap(fault.Damaged, fmt.Errorf("decoding a record: %w", err))
	}
	again, err := Encode(v)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, b) {
		return nil, fault.New(fault.Damaged, "the record has unknown fields or is not in canonical form")
	}
	return v, nil
}

// Encode writes a record in canonical form (RFC 8785). The fields of our records
// are declared in the order of their keys; strings are escaped as encoding/json
// does, without its HTML escapes.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fault.Wrap(fault.Internal, fmt.Errorf("encoding a record: %w", err))
	}
	s := strings.TrimSuffix(b.String(), "\n")
	// encoding/json escapes U+2028 and U+2029 even then, and writes U+FFFD for
	// invalid UTF-8 as an escape; RFC 8785 escapes none of them.
	s = strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029", `\ufffd`, "\ufffd").Replace(s)
	if len(s) > MaxRecord {
		return nil, fault.New(fault.Internal, "a record of %d bytes is over the limit of %d", len(s), MaxRecord)
	}
	return []byte(s), nil
}
