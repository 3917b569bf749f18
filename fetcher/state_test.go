package fetcher

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// FuzzState: any line is read as a state or as none, and what is read is what
// would be written.
func FuzzState(f *testing.F) {
	for _, line := range []string{
		"{}",
		`{"ticket":{"slot":{"source":"prod","pack":"rules","due":"2026-05-01T02:00:00Z"},"attempt":1,"requested":"2026-05-01T02:00:01Z","report_id":"crp-1","failures":2,"attached":false}}`,
		`{"ticket":{"slot":{"source":"prod","pack":"crt-1","due":"2026-05-01T02:00:00Z"},"attempt":0,"requested":"2026-05-01T02:00:01Z","baseline":"2026-04-30T02:00:01Z","previous":"crtr-1","attached":true}}`,
		`{"evaluation":{"of":5,"rules":2,"asked":"2026-05-01T02:00:01Z","began":"2026-05-01T02:00:02Z","until":"2026-05-01T02:01:02Z","over":true}}`,
	} {
		f.Add([]byte(line + "\n"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := readState(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if s != (state{}) && !bytes.Contains(b, []byte("\n")) {
			t.Errorf("a truncated line is %+v", s)
		}
		line, err := json.Marshal(s)
		if err != nil {
			t.Skip(err) // such as a year that JSON cannot have
		}
		again, err := readState(bytes.NewReader(append(line, '\n')))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(again); err != nil || !bytes.Equal(got, line) {
			t.Errorf("written as %s it is read as %s, %v", line, got, err)
		}
	})
}

// A line that is too long is not read into memory.
func TestStateLimit(t *testing.T) {
	t.Parallel()
	long := strings.NewReader(`{"draft":"` + strings.Repeat("x", 3*maxState) + "\"}\n")
	if s, err := readState(long); err != nil || s != (state{}) || long.Len() < maxState {
		t.Errorf("read %+v, %v, left %d bytes", s, err, long.Len())
	}
}
