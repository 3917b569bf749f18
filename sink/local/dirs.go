package local

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"packseal.example/internal/fault"
)

// openFlags open a directory, but not a symbolic link to one.
const openFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// openIn opens a subdirectory of parent by its name.
func openIn(parent *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(parent.Fd()), name, openFlags, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// syncDir syncs the entries of a directory to disk. Some network file systems
// do so themselves and do not support fsync of directories.
func syncDir(f *os.File) error {
	if err := f.Sync(); !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return classify(err)
	}
	return nil
}

// dirs tracks the directories that were just created and whose entries in their
// parents are not synced yet, by path. These fsyncs run concurrently, with each
// other and with the writes of files, so that a journal can combine them.
type dirs struct {
	mu      sync.Mutex
	syncing map[string]*dirSync
}

// dirSync is a running fsync of the parent of a new directory.
type dirSync struct {
	done chan struct{}
	err  error // valid once done is closed
}

// enter opens the directory with that path, and creates it and its parents if
// they do not exist. Nothing in it is durable until wait has returned nil; wait
// also waits for the fsyncs of directories that other calls created.
func (d *dirs) enter(root *os.Root, name string) (dir *os.File, wait func() error, err error) {
	dir, err = d.open(root, name)
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, nil, fault.New(fault.Conflict, "%s cannot be a directory: there is an object in its place", name)
	}
	if err != nil {
		return nil, nil, classify(err)
	}
	pending := d.pending(name)
	return dir, func() error {
		var errs []error
		for _, m := range pending {
			<-m.done
			errs = append(errs, m.err)
		}
		return errors.Join(errs...)
	}, nil
}

// open opens the directory via its parent, which usually exists, and creates
// what does not exist.
func (d *dirs) open(root *os.Root, name string) (*os.File, error) {
	if name == "." {
		return root.OpenFile(name, openFlags, 0)
	}
	parent, err := root.OpenFile(path.Dir(name), openFlags, 0)
	if errors.Is(err, fs.ErrNotExist) {
		parent, err = d.open(root, path.Dir(name))
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = parent.Close() }()
	dir, err := openIn(parent, path.Base(name))
	if !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	if err := d.make(parent, name); err != nil {
		return nil, err
	}
	return openIn(parent, path.Base(name))
}

// pending returns the running fsyncs for the directory and its parents.
func (d *dirs) pending(name string) (pending []*dirSync) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for ; len(d.syncing) > 0 && name != "."; name = path.Dir(name) {
		if m := d.syncing[name]; m != nil {
			pending = append(pending, m)
		}
	}
	return pending
}

// make creates a directory and starts the fsync of its parent. The directory and
// its entry in syncing appear atomically, so that whoever finds one finds both.
func (d *dirs) make(parent *os.File, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := unix.Mkdirat(int(parent.Fd()), path.Base(name), 0o750)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	self, err := openIn(parent, ".")
	if err != nil {
		return err
	}
	m := &dirSync{done: make(chan struct{})}
	if d.syncing == nil {
		d.syncing = make(map[string]*dirSync)
	}
	d.syncing[name] = m
	go func() {
		defer close(m.done)
		m.err = errors.Join(syncDir(self), self.Close())
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.syncing, name)
	}()
	return nil
}
