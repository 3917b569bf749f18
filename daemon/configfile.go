package daemon

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"packseal.example/config"
	"packseal.example/internal/fault"
)

// watchEvery is how often the configuration file is looked at.
const watchEvery = 2 * time.Second

// maxLook bounds how much of it is looked at, in bytes: more than a
// configuration may have.
const maxLook = 32 << 20

// digest identifies the content of a file, or why it can't be read.
type digest [sha256.Size]byte

// ConfigFile is a configuration file that is watched for changes, with the files of
// packs that it names. It remembers
// how the last load ended, whoever asked for it.
type ConfigFile struct {
	Path string
	Warn func(config.Fault) // is told of each warning of the file; nil = nobody

	mu      sync.Mutex
	packs   string // the packs_file that the last load found
	tried   digest // what the last load found
	refused bool   // the last load failed
}

// Load reads the file and tells its warnings. What is wrong with the file is a
// [*config.Error].
func (f *ConfigFile) Load() (*config.Config, error) {
	packs := config.PacksPattern(f.Path)
	f.mu.Lock()
	f.packs = packs
	f.mu.Unlock()
	found := f.digest() // before it is read: if it changes in between, it is read once more
	cfg, warnings, err := config.Load(f.Path)
	f.mu.Lock()
	f.tried, f.refused = found, err != nil
	f.mu.Unlock()
	for _, w := range warnings {
		if f.Warn != nil {
			f.Warn(cfg.Locate(w))
		}
	}
	return cfg, err
}

// Watch calls changed when the file differs from what the last load found,
// until ctx ends. It polls the file instead of waiting for events of the kernel:
// none comes for a path whose folder is replaced by a symbolic link, as in a
// ConfigMap's volume, and none from a network file system.
//
// A change counts when it was there twice in a row: somebody may be in the
// middle of writing, and half of a file may look like a good one.
func (f *ConfigFile) Watch(ctx context.Context, changed func()) {
	var before digest
	for fault.Sleep(ctx, watchEvery) {
		now := f.digest()
		if now == before && f.differs(now) {
			changed()
		}
		before = now
	}
}

// differs reports whether a load now would come to something else. A file
// that was refused is tried without a log line: a secret that it names may have
// come after it.
func (f *ConfigFile) differs(now digest) bool {
	f.mu.Lock()
	tried, refused := f.tried, f.refused
	f.mu.Unlock()
	if now != tried || !refused {
		return now != tried
	}
	_, _, err := config.Load(f.Path)
	return err == nil
}

func (f *ConfigFile) digest() digest {
	f.mu.Lock()
	packs, _ := config.PacksFiles(f.packs) // a bad pattern is the fault of the file
	f.mu.Unlock()
	sum := sha256.New()
	for _, name := range append([]string{f.Path}, packs...) {
		file, err := os.Open(name)
		if err == nil {
			var n int64
			n, err = io.Copy(sum, io.LimitReader(file, maxLook))
			fmt.Fprintf(sum, "%q %d\n", name, n)
			err = errors.Join(err, file.Close())
		}
		if err != nil {
			fmt.Fprintf(sum, "%q %v\n", name, err)
		}
	}
	return digest(sum.Sum(nil))
}
