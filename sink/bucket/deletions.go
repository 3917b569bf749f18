package bucket

import (
	"strings"
	"time"

	"packseal.example/sink"
)

// Deletions collects them from pages of versions, in which the newest version of a
// key comes first.
type Deletions struct {
	All []sink.Deletion

	prefix string
	index  map[string]int // of All, by key
}

// NewDeletions returns those of the keys that begin with a prefix, which has its slash
// or is empty.
func NewDeletions(prefix string) *Deletions {
	return &Deletions{prefix: prefix, index: make(map[string]int)}
}

// Marker adds a delete marker that is the newest version of a key.
func (d *Deletions) Marker(key string, at time.Time) {
	if key, ours := strings.CutPrefix(key, d.prefix); ours && sink.CheckKey(key) == nil {
		d.index[key] = len(d.All)
		d.All = append(d.All, sink.Deletion{Key: key, At: at})
	}
}

// Version adds a version of a key. Those of keys that were not deleted do not count.
func (d *Deletions) Version(key, version string, size int64, stored time.Time) {
	if i, ok := d.index[strings.TrimPrefix(key, d.prefix)]; ok && d.All[i].Version == "" {
		d.All[i].Version, d.All[i].Size, d.All[i].Stored = version, size, stored
	}
}
