package local

import (
	"context"
	"errors"
	"fmt"
	"path"

	"golang.org/x/sys/unix"

	"packseal.example/sink"
)

var _ sink.Deleter = (*Sink)(nil)

// DeleteObject implements [sink.Deleter]: unlinkat(key), then fsync of its
// directory. The directory stays.
func (s *Sink) DeleteObject(ctx context.Context, key string) error {
	if err := errors.Join(sink.CheckKey(key), sink.Ended(ctx)); err != nil {
		return err
	}
	root, err := s.root()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	dir, err := root.OpenFile(path.Dir(key), openFlags, 0)
	if notExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("removing %s: %w", key, classify(err))
	}
	defer func() { _ = dir.Close() }()
	if err := unix.Unlinkat(int(dir.Fd()), path.Base(key), 0); err != nil && !notExist(err) {
		return fmt.Errorf("removing %s: %w", key, classify(err))
	}
	return syncDir(dir)
}
