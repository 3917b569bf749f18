package lab

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"time"
)

// Log is what a process has written to its standard error. It can be read at
// any time.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write takes in more of it.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String is all of it so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

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
