package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"reflect"
	"strings"
)

// fingerprint identifies a part of the configuration together with the content of
// the files that it names (its keys that end in _file): what has the same
// fingerprint need not be opened again. It reveals no secret.
func fingerprint(part any) string {
	h := sha256.New()
	hashValue(h, reflect.ValueOf(part))
	return hex.EncodeToString(h.Sum(nil))
}

// hashValue adds a value of the configuration: structs, pointers, slices, maps
// and plain values.
func hashValue(h hash.Hash, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			io.WriteString(h, "nil;")
			return
		}
		hashValue(h, v.Elem())
	case reflect.Slice:
		fmt.Fprintf(h, "%d[", v.Len())
		for i := range v.Len() {
			hashValue(h, v.Index(i))
		}
	case reflect.Struct:
		for field, value := range v.Fields() {
			if !field.IsExported() {
				continue
			}
			fmt.Fprintf(h, "%s:", field.Name)
			hashValue(h, value)
			if key, _, _ := strings.Cut(field.Tag.Get("yaml"), ","); strings.HasSuffix(key, "_file") && value.String() != "" {
				hashFile(h, value.String())
			}
		}
	default:
		fmt.Fprintf(h, "%#v;", v.Interface()) // maps are printed in the order of their keys
	}
}

// hashFile adds a file's content, or that it can't be read.
func hashFile(h hash.Hash, name string) {
	f, err := os.Open(name)
	if err != nil {
		io.WriteString(h, "unreadable;")
		return
	}
	defer f.Close() //nolint:errcheck // read only
	n, _ := io.Copy(h, io.LimitReader(f, maxLook))
	fmt.Fprintf(h, "%d;", n)
}
