package journald

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
)

// unmarked takes the marks off again.
type unmarked struct{ w io.Writer }

func (u unmarked) Write(p []byte) (int, error) {
	_, err := u.w.Write(p[3:])
	return len(p), err
}

// TestHandler: it is as good a handler as the one that it marks the lines of.
func TestHandler(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		b.Reset()
		return NewHandler(unmarked{&b}, func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) })
	}, func(*testing.T) map[string]any {
		all := make(map[string]any)
		for field := range strings.FieldsSeq(b.String()) {
			key, value, _ := strings.Cut(field, "=")
			in := all
			for group, rest, ok := strings.Cut(key, "."); ok; group, rest, ok = strings.Cut(key, ".") {
				if in[group] == nil {
					in[group] = make(map[string]any)
				}
				in, key = in[group].(map[string]any), rest
			}
			in[key] = value
		}
		return all
	})
}

func TestPriorities(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := slog.New(NewHandler(&b, func(w io.Writer) slog.Handler {
		return slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelInfo})
	}))
	log.Debug("left out")
	log.Info("one")
	log.With("a", 1).Warn("two")
	log.WithGroup("g").Error("three\nlines")
	fmt.Fprintln(Errors(&b), "packseal: no\nhint: yes")
	var got []string
	for line := range strings.Lines(b.String()) {
		_, message, _ := strings.Cut(line, "msg=")
		if message == "" {
			message = line[3:]
		}
		got = append(got, line[:3]+strings.TrimSpace(message))
	}
	want := `<6>one|<4>two a=1|<3>"three\nlines"|<3>packseal: no|<3>hint: yes`
	if strings.Join(got, "|") != want {
		t.Errorf("written is %s, want %s", strings.Join(got, "|"), want)
	}
}

// TestWhole: lines of many goroutines stay whole.
func TestWhole(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := slog.New(NewHandler(&b, func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) }))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 50 {
				log.Info("one")
				log.Error("two")
			}
		})
	}
	wg.Wait()
	n := 0
	for line := range strings.Lines(b.String()) {
		if n++; !strings.HasPrefix(line[1:], "6>{") && !strings.HasPrefix(line[1:], "3>{") || !strings.HasSuffix(line, "}\n") {
			t.Fatalf("a line is %q", line)
		}
	}
	if n != 2000 {
		t.Errorf("%d lines", n)
	}
}
