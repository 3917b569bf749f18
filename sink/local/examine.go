package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

var _ sink.Examiner = (*Sink)(nil)

// minFree is how much free space Examine expects, in bytes: enough for the
// reports of several days.
const minFree = 256 << 20

// Examine implements [sink.Examiner].
func (s *Sink) Examine(ctx context.Context) []diag.Result {
	if owner, ok := s.otherOwner(); ok {
		return []diag.Result{diag.Skip("put", "%s belongs to user %d, who might not be able to read what root writes there", s.dir, owner).
			WithHint("run doctor as the user that packseal runs as")}
	}
	results := sink.Try(ctx, s, sink.ProbeKey(""))
	if results[len(results)-1].State == diag.Bad {
		return results
	}
	return append(results, s.checkNoReplace(ctx), diag.FreeSpace("free-space", s.dir, minFree))
}

// otherOwner returns the owner of the directory, or of the one it would be
// created in, if that is another user while we are root.
func (s *Sink) otherOwner() (owner uint32, ok bool) {
	if os.Geteuid() != 0 {
		return 0, false
	}
	for dir := s.dir; ; dir = filepath.Dir(dir) {
		fi, err := os.Stat(dir)
		if os.IsNotExist(err) && dir != filepath.Dir(dir) {
			continue
		}
		if err != nil {
			return 0, false // Try reports it
		}
		st, ok := fi.Sys().(*syscall.Stat_t)
		return st.Uid, ok && st.Uid != 0
	}
}

// checkNoReplace writes a file and links it to the name of the probe, which
// exists, so that the link must fail. (Put would find the probe and not write.)
func (s *Sink) checkNoReplace(ctx context.Context) diag.Result {
	root, err := s.root()
	if err != nil {
		return diag.Fail("no-replace", err)
	}
	defer root.Close() //nolint:errcheck // read only
	key := sink.ProbeKey("")
	dir, err := root.OpenFile(path.Dir(key), openFlags, 0)
	if err != nil {
		return diag.Fail("no-replace", classify(err))
	}
	defer dir.Close() //nolint:errcheck // read only
	switch err := write(ctx, root, dir, path.Base(key), sink.Probe()); {
	case errors.Is(err, fs.ErrExist):
		return diag.OK("no-replace", "the file system does not replace files")
	case err != nil:
		return diag.Fail("no-replace", err)
	}
	return diag.Fail("no-replace", fault.New(fault.Conflict, "the file system replaced an existing file"))
}
