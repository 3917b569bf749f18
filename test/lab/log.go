package lab

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"time"
)

// Buffer is a buffer that goroutines may share.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements [io.Writer].
func (s *Buffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// String returns what was written.
func (s *Buffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// Reset forgets what was written.
func (s *Buffer) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b.Reset()
}

// Log is what a process has written to its standard error. It can be read at
// any time.
type Log struct{ Buffer }

// Record is a line of a log that is written as JSON. Tests look at its level and
// fields: messages are for people.
type Record struct {
	Time   time.Time
	Level  string
	Msg    string
	Fields map[string]any // numbers are float64, a duration is one of nanoseconds
}

// Records are the lines that are JSON.
func (l *Log) Records() (records []Record) {
	for line := range strings.Lines(l.String()) {
		var r Record
		if json.Unmarshal([]byte(line), &r) == nil && json.Unmarshal([]byte(line), &r.Fields) == nil {
			records = append(records, r)
		}
	}
	return records
}

// Text is a field that is a text, or "".
func (r Record) Text(field string) string {
	s, _ := r.Fields[field].(string)
	return s
}

// Has reports whether the record has a field, and it is not empty.
func (r Record) Has(field string) bool {
	v, ok := r.Fields[field]
	return ok && v != ""
}

// Failure reports whether the record is a warning or an error that says why:
// packseal's own, as the queue's engine gives no reason.
func (r Record) Failure() bool {
	return (r.Level == "WARN" || r.Level == "ERROR") && (r.Has("err") || r.Has("reason"))
}

// tailLines is how much of a log a failed test shows.
const tailLines = 30

// Tail is the end of the log without what is for debugging, for a failed test.
func (l *Log) Tail() string {
	var lines []string
	for line := range strings.Lines(l.String()) {
		if !strings.Contains(line, `"level":"DEBUG"`) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-tailLines):], "")
}
