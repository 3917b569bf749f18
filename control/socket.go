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
)

// Name is the socket's, in the state folder.
const Name = "packseal.sock"

// lockName is a file that is locked while a daemon has the socket: a socket
// that is left behind looks like one in use.
const lockName = Name + ".lock"

// longestPath is how long a socket's path may be, to be on the safe side. A
// longer one is reached through the open folder.
const longestPath = 100

// address returns where the socket of the folder is, and what is to be closed
// when it is bound or reached.
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

// socket is a listener that takes its file and its lock away in the end.
type socket struct {
	net.Listener
	path string
	lock *os.File
}

// Close ends the listening.
func (s *socket) Close() error {
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, s.Listener.Close(), s.lock.Close())
	}
	return errors.Join(s.Listener.Close(), s.lock.Close())
}

// listen opens the socket in the folder, for this user alone, in the place of
// one that was left behind. A folder whose socket another process serves is
// fault.Busy.
func listen(ctx context.Context, dir string) (_ net.Listener, err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fault.New(fault.Busy, "another process serves the socket in %s", dir)
	} else if err != nil {
		return nil, fmt.Errorf("locking %s: %w", lock.Name(), err)
	}
	path := filepath.Join(dir, Name)
	switch fi, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case fi.Mode().Type() != fs.ModeSocket:
		return nil, fault.New(fault.Conflict, "%s is there and no socket", path).WithHint("move it away")
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
