package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"packseal.example/internal/fault"
	"packseal.example/internal/flock"
)

// Name is the socket's, in the state folder.
const Name = "packseal.sock"

// lockName is a file that is locked while a daemon serves the socket: a stale
// socket looks like one in use.
const lockName = Name + ".lock"

// longestPath is how long a socket's path may be, with some margin. A longer one
// is reached through the open folder.
const longestPath = 100

// address returns the path of the folder's socket, and what to call once it is
// bound or connected.
func address(dir string) (path string, done func(), err error) {
	if path = filepath.Join(dir, Name); len(path) <= longestPath {
		return path, func() {}, nil
	}
	folder, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), Name), func() { folder.Close() }, nil
}

// socket is a listener that removes its file and its lock when it is closed.
type socket struct {
	net.Listener
	path string
	lock *flock.File
}

// Close ends the listening.
func (s *socket) Close() error {
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, s.Listener.Close(), s.lock.Close())
	}
	return errors.Join(s.Listener.Close(), s.lock.Close())
}

// listen opens the socket in the folder, for this user alone, and replaces a
// stale one. A folder whose socket another process serves is fault.Busy.
func listen(ctx context.Context, dir string) (_ net.Listener, err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	lock, err := flock.TryLock(filepath.Join(dir, lockName))
	if errors.Is(err, flock.ErrLocked) {
		return nil, fault.New(fault.Busy, "another process serves the socket in %s", dir)
	} else if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	path := filepath.Join(dir, Name)
	switch fi, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case fi.Mode().Type() != fs.ModeSocket:
		return nil, fault.New(fault.Conflict, "%s exists and is not a socket", path).WithHint("move it away")
	default:
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := bind(ctx, dir)
	if err != nil {
		return nil, err
	}
	return &socket{l, path, lock}, nil
}

// bind makes the socket. Its file never has another mode than 0600: on Linux it
// gets that of the descriptor, whatever the umask would give.
func bind(ctx context.Context, dir string) (net.Listener, error) {
	path, done, err := address(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		return errors.Join(c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }), err)
	}}
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // its path may mean something else by then
	return l, nil
}

// dial opens a connection to the socket in the folder.
func dial(ctx context.Context, dir string) (net.Conn, error) {
	path, done, err := address(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	return new(net.Dialer).DialContext(ctx, "unix", path)
}
