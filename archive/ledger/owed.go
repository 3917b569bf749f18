package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/atomicfile"
	"packseal.example/internal/fault"
	"packseal.example/internal/flock"
)

// owed are the entries that the ledger does not have yet: a line each, in a file that
// several processes append to.
//
//	add    appends lines, fsync     once for all that wait meanwhile
//	drop   in memory                after a crash, what became of the entry is found out again
//	sweep  replaces the file        by one without what was dropped
//
// A lock file excludes other processes from the first and the last.
type owed struct {
	path    string
	writing sync.Mutex

	mu      sync.Mutex
	waiting *lines              // what the next write appends
	settled map[tree.Entry]bool // whose objects are stored, as this process knows
	dropped map[tree.Entry]bool // that are owed no more, and may still be in the file
	flying  map[tree.Entry]int  // whose objects this process is storing now
}

// lines are what one write appends.
type lines struct {
	write sync.Once
	text  []byte
	err   error
}

func openOwed(path string) (*owed, error) {
	o := &owed{path: path, settled: make(map[tree.Entry]bool), dropped: make(map[tree.Entry]bool), flying: make(map[tree.Entry]int)}
	return o, o.locked(func() error {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return atomicfile.Write(path, nil, 0o600) // its name is durable from here on
	})
}

// locked calls a function while nobody else writes the file.
func (o *owed) locked(write func() error) error {
	o.writing.Lock()
	defer o.writing.Unlock()
	lock, err := flock.Lock(o.path + ".lock")
	if err != nil {
		return fault.Wrap(fault.Internal, fmt.Errorf("locking what the ledger is owed: %w", err))
	}
	return errors.Join(write(), lock.Close())
}

// add makes an entry durable.
func (o *owed) add(e tree.Entry) error {
	if err := e.Check(); err != nil {
		return err
	}
	o.mu.Lock()
	delete(o.dropped, e)
	if o.waiting == nil {
		o.waiting = &lines{}
	}
	l := o.waiting
	l.text = append(append(l.text, e.String()...), '\n')
	o.mu.Unlock()
	l.write.Do(func() {
		l.err = o.locked(func() error {
			o.mu.Lock()
			o.waiting = nil
			o.mu.Unlock()
			return o.append(l.text)
		})
	})
	return l.err
}

// append makes text the end of the file. What a crash left of a line is cut off: nobody
// was told that it is there.
func (o *owed) append(text []byte) error {
	f, err := os.OpenFile(o.path, os.O_RDWR, 0)
	if err != nil {
		return fault.Wrap(fault.Internal, err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if last := []byte{'\n'}; err == nil && size > 0 {
		if _, err = f.ReadAt(last, size-1); err == nil && last[0] != '\n' {
			var raw []byte
			if raw, err = os.ReadFile(o.path); err == nil {
				size = int64(len(whole(raw)))
				err = f.Truncate(size)
			}
		}
	}
	if err == nil {
		_, err = f.WriteAt(text, size)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		err = errors.Join(err, f.Truncate(size))
	}
	return fault.Wrap(fault.Internal, errors.Join(err, f.Close()))
}

// whole returns the lines that end.
func whole(raw []byte) []byte { return raw[:bytes.LastIndexByte(raw, '\n')+1] }

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

// drop notes that entries are owed no more.
func (o *owed) drop(entries ...tree.Entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range entries {
		o.dropped[e] = true
		delete(o.settled, e)
	}
}

// sweep makes durable what was dropped.
func (o *owed) sweep() error {
	return o.locked(func() error {
		all, err := o.read()
		if err != nil {
			return err
		}
		o.mu.Lock()
		gone := maps.Clone(o.dropped)
		o.mu.Unlock()
		var left []byte
		kept := 0
		for _, e := range all {
			if !gone[e] {
				left = append(append(left, e.String()...), '\n')
				kept++
			}
		}
		if kept < len(all) {
			if err := atomicfile.Write(o.path, left, 0o600); err != nil {
				return fault.Wrap(fault.Internal, fmt.Errorf("removing entries that the ledger has: %w", err))
			}
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		for e := range gone {
			delete(o.dropped, e)
		}
		return nil
	})
}

// all returns the entries.
func (o *owed) all() ([]tree.Entry, error) {
	all, err := o.read()
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.DeleteFunc(all, func(e tree.Entry) bool { return o.dropped[e] }), err
}

// read reads the file. A line that is no entry is an error: nothing that is owed may be
// passed over.
func (o *owed) read() (entries []tree.Entry, err error) {
	raw, err := os.ReadFile(o.path)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, fmt.Errorf("reading what the ledger is owed: %w", err))
	}
	seen := make(map[tree.Entry]bool)
	n := 0
	for line := range bytes.Lines(whole(raw)) {
		n++
		e, err := tree.ParseEntry(string(line[:len(line)-1]))
		if err != nil {
			return nil, fault.New(fault.Damaged, "line %d of %s is no entry that the ledger is owed: %w", n, o.path, err).
				WithHint("stop the daemon, remove the line, and see in it which slot it is of")
		}
		if !seen[e] {
			seen[e] = true
			entries = append(entries, e)
		}
	}
	return entries, nil
}
