package sink_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Copy works in chunks: try sizes around that of one.
func TestCopy(t *testing.T) {
	t.Parallel()
	const chunk = 512 << 10
	for _, size := range []int{0, 1, chunk - 1, chunk, chunk + 1, 3*chunk + 7} {
		want := bytes.Repeat([]byte("abc"), size/3+1)[:size]
		c := sink.Bytes(want)
		for range 2 {
			var got bytes.Buffer
			if err := c.Copy(t.Context(), &got); err != nil || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%d bytes: got %d, %v", size, got.Len(), err)
			}
			b, err := io.ReadAll(c.Reader())
			if err != nil || !bytes.Equal(b, want) {
				t.Errorf("Reader: got %d bytes, %v", len(b), err)
			}
		}
	}
}

// broken fails reads and writes.
type broken struct{ error }

func (b broken) ReadAt([]byte, int64) (int, error) { return 0, b.error }
func (b broken) Write([]byte) (int, error)         { return 0, b.error }
func (b broken) Read([]byte) (int, error)          { return 0, b.error }
func (b broken) Close() error                      { return nil }

// Errors of the content and of the writer are distinguished.
func TestCopyFails(t *testing.T) {
	t.Parallel()
	disk := errors.New("disk")
	c := sink.Bytes([]byte("abc"))
	if err := c.Copy(t.Context(), broken{disk}); err != disk {
		t.Errorf("writing: got %v", err)
	}
	c.ReaderAt = broken{disk}
	if err := c.Copy(t.Context(), io.Discard); fault.Of(err) != fault.Internal || !errors.Is(err, disk) {
		t.Errorf("reading: got %v", err)
	}
	c.ReaderAt = strings.NewReader("ab")
	if err := c.Copy(t.Context(), io.Discard); fault.Of(err) != fault.Damaged {
		t.Errorf("short: got %v", err)
	}
}

func TestBody(t *testing.T) {
	t.Parallel()
	classify := func(err error) error { return fault.Wrap(fault.SinkUnavailable, err) }
	if _, err := io.ReadAll(sink.Body{ReadCloser: broken{io.ErrUnexpectedEOF}, Classify: classify}); fault.Of(err) != fault.SinkUnavailable {
		t.Errorf("got %v", err)
	}
	if b, err := io.ReadAll(sink.Body{ReadCloser: io.NopCloser(strings.NewReader("x")), Classify: classify}); err != nil || string(b) != "x" {
		t.Errorf("got %q, %v", b, err)
	}
}
