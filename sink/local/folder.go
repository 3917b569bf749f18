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

// openFlags are for what must be a folder and no link to one.
const openFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// openIn opens a folder that is in another, by its bare name.
func openIn(parent *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(parent.Fd()), name, openFlags, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// syncFolder makes the names in a folder durable. Some network file systems
// keep names durable themselves and refuse to be asked.
func syncFolder(f *os.File) error {
	if err := f.Sync(); !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return classify(err)
	}
	return nil
}

// names are the folders that were just made, whose own names are not durable
// yet: by their paths. Their fsyncs run while the files in them are written,
// and side by side, so that a journal takes several of them at once.
type names struct {
	mu     sync.Mutex
	making map[string]*making
}

// making is the fsync of a new folder's parent.
type making struct {
	done chan struct{}
	err  error // once done is closed
}

// enter opens the folder of that path, and makes it and its parents where they
// are not there. Nothing in it is durable until wait has returned nil, which
// waits for those whom others made as well.
func (n *names) enter(root *os.Root, name string) (dir *os.File, wait func() error, err error) {
	dir, err = n.open(root, name)
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, nil, fault.New(fault.Conflict, "an object stands where %s needs a folder", name)
	}
	if err != nil {
		return nil, nil, classify(err)
	}
	pending := n.pending(name)
	return dir, func() error {
		var errs []error
		for _, m := range pending {
			<-m.done
			errs = append(errs, m.err)
		}
		return errors.Join(errs...)
	}, nil
}

// open opens the folder by way of its parent, which is mostly there already,
// and makes what is not there.
func (n *names) open(root *os.Root, name string) (*os.File, error) {
	if name == "." {
		return root.OpenFile(name, openFlags, 0)
	}
	parent, err := root.OpenFile(path.Dir(name), openFlags, 0)
	if errors.Is(err, fs.ErrNotExist) {
		parent, err = n.open(root, path.Dir(name))
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = parent.Close() }()
	dir, err := openIn(parent, path.Base(name))
	if !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	if err := n.make(parent, name); err != nil {
		return nil, err
	}
	return openIn(parent, path.Base(name))
}

// pending returns the fsyncs of the folder and its parents that are under way.
func (n *names) pending(name string) (pending []*making) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for ; len(n.making) > 0 && name != "."; name = path.Dir(name) {
		if m := n.making[name]; m != nil {
			pending = append(pending, m)
		}
	}
	return pending
}

// make makes a folder and begins the fsync of its parent. The folder and its
// entry in making appear at once, so whoever finds the one finds the other.
func (n *names) make(parent *os.File, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
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
	m := &making{done: make(chan struct{})}
	if n.making == nil {
		n.making = make(map[string]*making)
	}
	n.making[name] = m
	go func() {
		defer close(m.done)
		m.err = errors.Join(syncFolder(self), self.Close())
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.making, name)
	}()
	return nil
}
