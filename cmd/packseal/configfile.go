package main

import (
	"context"
	"crypto/sha256"
	"errors"
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

// digest stands for the content of a file, or for why it can't be read.
type digest [sha256.Size]byte

// configFile is the daemon's configuration file. It knows what came of the
// last load, whoever asked for that.
type configFile struct {
	path   string
	stderr io.Writer // gets the warnings

	mu      sync.Mutex
	tried   digest // what the last load found
	refused bool   // and that it was not good
}

// load reads the file and says its warnings.
func (f *configFile) load() (*config.Config, error) {
	found := f.digest() // before it is read: if it changes in between, it is read once more
	cfg, err := load(f.path, f.stderr)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tried, f.refused = found, err != nil
	return cfg, err
}

// watch calls changed when the file is another than at the last load, until
// ctx ends. It reads it again and again and waits for no event of the kernel:
// none comes for a path whose folder is swapped by a symbolic link, as in a
// ConfigMap's volume, and none from a file system of another machine.
//
// A change counts when it was there twice in a row: somebody may be in the
// middle of writing, and half of a file may look like a good one.
func (f *configFile) watch(ctx context.Context, changed func()) {
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
// that was refused is tried in silence: a secret that it names may have come
// after it.
func (f *configFile) differs(now digest) bool {
	f.mu.Lock()
	tried, refused := f.tried, f.refused
	f.mu.Unlock()
	if now != tried || !refused {
		return now != tried
	}
	_, _, err := config.Load(f.path)
	return err == nil
}

func (f *configFile) digest() digest {
	sum := sha256.New()
	file, err := os.Open(f.path)
	if err == nil {
		_, err = io.Copy(sum, io.LimitReader(file, maxLook))
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		io.WriteString(sum, err.Error()) //nolint:errcheck // it never fails
	}
	return digest(sum.Sum(nil))
}
