package queue

// Embedded are the options of the embedded queue: the `queue.embedded` entry
// of the configuration file. A zero field means its default.
type Embedded struct {
	MaxBytes int64 `yaml:"max_bytes,omitempty"` // what the queue's store may take on disk; default 256 MiB
}
