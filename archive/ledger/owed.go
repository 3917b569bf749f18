package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/atomicfile"
	"packseal.example/internal/fault"
)

// owed are the entries that the ledger does not have yet: a file for each, under
// the entry's hash, so that several processes can add to them.
type owed struct {
	dir string

	mu      sync.Mutex
	settled map[tree.Entry]bool   // whose objects are stored, as this process knows
	known   map[string]tree.Entry // files that were read or written, by name
	flying  map[tree.Entry]int    // whose objects this process is storing now
}

func openOwed(dir string) (*owed, error) {
	return &owed{dir: dir, settled: make(map[tree.Entry]bool), known: make(map[string]tree.Entry), flying: make(map[tree.Entry]int)}, makeDir(dir)
}

// name is the name of an entry's file.
func name(e tree.Entry) string {
	sum := sha256.Sum256([]byte(e.String()))
	return hex.EncodeToString(sum[:])
}

// add makes an entry durable.
func (o *owed) add(e tree.Entry) error {
	if err := e.Check(); err != nil {
		return err
	}
	file := name(e)
	if err := atomicfile.Write(filepath.Join(o.dir, file), []byte(e.String()+"\n"), 0o600); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known[file] = e
	return nil
}

// settle notes that the object of an entry is stored.
func (o *owed) settle(e tree.Entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settled[e] = true
}

// fly notes that the object of an entry is being stored, until land is called. What
// becomes of it is not known until then.
func (o *owed) fly(e tree.Entry) (land func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flying[e]++
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.flying[e]--; o.flying[e] == 0 {
			delete(o.flying, e)
		}
	}
}

func (o *owed) flies(e tree.Entry) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.flying[e] > 0
}

func (o *owed) isSettled(e tree.Entry) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.settled[e]
}

// remove removes an entry, if it is there.
func (o *owed) remove(e tree.Entry) error {
	if err := os.Remove(filepath.Join(o.dir, name(e))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing an entry that the ledger has: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.settled, e)
	delete(o.known, name(e))
	return nil
}

// all returns the entries, in the order of their hashes. A file that is none is an
// error: nothing that is owed may be passed over.
func (o *owed) all() (entries []tree.Entry, err error) {
	files, err := os.ReadDir(o.dir)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, fmt.Errorf("reading what the ledger is owed: %w", err))
	}
	for _, f := range files {
		if strings.HasPrefix(f.Name(), ".") { // being written, or left by a crash before it was durable
			continue
		}
		switch e, err := o.read(f.Name()); {
		case err == nil:
			entries = append(entries, e)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fault.New(fault.Damaged, "%s does not hold an entry that the ledger is owed: %w", filepath.Join(o.dir, f.Name()), err).
				WithHint("move it away, and see in it which slot it is of")
		}
	}
	return entries, nil
}

// read reads a file, once.
func (o *owed) read(file string) (tree.Entry, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e, ok := o.known[file]; ok {
		return e, nil
	}
	raw, err := os.ReadFile(filepath.Join(o.dir, file))
	if err != nil {
		return tree.Entry{}, err
	}
	e, err := tree.ParseEntry(strings.TrimSuffix(string(raw), "\n"))
	if err == nil && name(e) != file {
		err = errors.New("it is another entry's")
	}
	if err == nil {
		o.known[file] = e
	}
	return e, err
}
