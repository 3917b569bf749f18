package bucket

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/sink"
)

// TestDeletions: of each key that was deleted, the newest version below the marker
// counts, and what is outside of the prefix or no key does not.
func TestDeletions(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d := NewDeletions("p/")
	for _, key := range []string{"p/a", "p/b", "other", "p/", "p/.x"} {
		d.Marker(key, at)
	}
	d.Version("p/a", "2", 20, at.Add(-time.Hour))
	d.Version("p/a", "1", 10, at.Add(-2*time.Hour))
	d.Version("p/c", "1", 10, at)
	want := []sink.Deletion{{Key: "a", At: at, Version: "2", Size: 20, Stored: at.Add(-time.Hour)}, {Key: "b", At: at}}
	if diff := cmp.Diff(want, d.All); diff != "" {
		t.Error(diff)
	}
}
