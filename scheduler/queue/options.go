package queue

import (
	"cmp"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
)

// Embedded are the options of the embedded queue: the `queue.embedded` entry
// of the configuration file. A zero field means its default.
type Embedded struct {
	MaxBytes int64 `yaml:"max_bytes,omitempty"` // what the queue's store may take on disk; default 256 MiB
}

// maxBytes is MaxBytes or its default.
func (e Embedded) maxBytes() int64 { return cmp.Or(e.MaxBytes, 256<<20) }

// Options are what the embedded queue needs. Required fields are marked.
type Options struct {
	Dir        string                // required; the store's folder, made if missing; one process at a time
	Sources    []string              // the sources whose tasks are worked on, for the metrics
	Logger     *slog.Logger          // required
	Registerer prometheus.Registerer // required
	Embedded
}

// check names the first required field that is missing.
func (o Options) check() error {
	switch {
	case o.Dir == "":
		return errors.New("queue: Options.Dir is required")
	case o.Logger == nil:
		return errors.New("queue: Options.Logger is required")
	case o.Registerer == nil:
		return errors.New("queue: Options.Registerer is required")
	}
	return nil
}
