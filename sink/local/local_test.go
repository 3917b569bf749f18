package local

import (
	"path/filepath"
	"testing"

	"packseal.example/sink"
	"packseal.example/sink/sinktest"
)

// openDir opens the folder as a sink.
func openDir(t testing.TB, dir string) sink.Sink {
	t.Helper()
	s, err := (&Options{Dir: dir}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, func(t *testing.T) sink.Sink { return openDir(t, filepath.Join(t.TempDir(), "new", "archive")) })
}
