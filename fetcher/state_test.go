package fetcher

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzState: a spool entry's line, torn or strange, is read or worth nothing;
// what is read is what would be written.
func FuzzState(f *testing.F) {
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := readState(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if s != (state{}) && !bytes.Contains(b, []byte("\n")) {
			t.Errorf("a torn line is %+v", s)
		}
		line, err := json.Marshal(s)
		if err != nil {
			t.Skip(err) // a time that no clock shows
		}
		again, err := readState(bytes.NewReader(append(line, '\n')))
		if diff := cmp.Diff(s, again); err != nil || diff != "" {
			t.Errorf("written and read again: %v\n%s", err, diff)
		}
	})
}

// A line that is too long to be ours is not taken into memory.
func TestEndlessState(t *testing.T) {
	t.Parallel()
	long := strings.NewReader(`{"draft":"` + strings.Repeat("x", 3*maxState) + "\"}\n")
	if s, err := readState(long); err != nil || s != (state{}) || long.Len() < maxState {
		t.Errorf("read %+v, %v, left %d bytes", s, err, long.Len())
	}
}
