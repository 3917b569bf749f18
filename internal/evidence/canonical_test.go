package evidence

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzReader: what the reader reads, and is written as the same bytes again, is what
// encoding/json reads. Of our own records it reads every one.
func FuzzReader(f *testing.F) {
	for _, name := range []string{"manifest.v1.json", "manifest.v2.json", "manifest.v2.imported.json", "manifest.v3.json"} {
		raw, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		if plain := bytes.ReplaceAll(raw, []byte(`\\`), nil); !readAs[Manifest](f, plain) {
			f.Errorf("%s is not read", name)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		readAs[Manifest](t, b)
		readAs[Gap](t, b)
		readAs[Plan](t, b)
		readAs[Slate](t, b)
	})
}

// readAs reports whether the reader reads a record.
func readAs[T any](t testing.TB, b []byte) bool {
	var got, want T
	if r := (reader{b}); !r.value(reflect.ValueOf(&got).Elem()) {
		return false
	}
	if again, err := Encode(got); err != nil || !bytes.Equal(again, b) {
		return false
	}
	if err := json.Unmarshal(b, &want); err != nil || !cmp.Equal(got, want) {
		t.Errorf("read %+v, %v, and not %+v", got, err, want)
	}
	return true
}
