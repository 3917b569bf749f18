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

// minRoom is how much room doctor wants to see, in bytes: enough for reports
// of some days, which are mostly small.
const minRoom = 256 << 20

// Examine implements [sink.Examiner].
func (s *Sink) Examine(ctx context.Context) []diag.Result {
	if owner, ok := s.foreign(); ok {
		return []diag.Result{diag.Skip("put", "%s belongs to user %d: what root writes there, that user might not read", s.dir, owner).
			WithHint("run doctor as the user that packseal runs as")}
	}
	results := sink.Try(ctx, s, sink.ProbeKey(""))
	if results[len(results)-1].State == diag.Bad {
		return results
	}
	return append(results, s.relink(ctx), diag.Room("room", s.dir, minRoom))
}

// foreign reports whether root looks at the folder of another user, or would
// make it in one.
func (s *Sink) foreign() (owner uint32, ok bool) {
	if os.Geteuid() != 0 {
		return 0, false
	}
	for dir := s.dir; ; dir = filepath.Dir(dir) {
		fi, err := os.Stat(dir)
		if os.IsNotExist(err) && dir != filepath.Dir(dir) {
			continue
		}
		if err != nil {
			return 0, false // trying tells more
		}
		st, ok := fi.Sys().(*syscall.Stat_t)
		return st.Uid, ok && st.Uid != 0
	}
}

// relink writes a file, as Put does when the key is free, and links it to the
// probe's name, which is taken: Put itself, finding the probe there already,
// writes nothing.
func (s *Sink) relink(ctx context.Context) diag.Result {
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
		return diag.OK("no-replace", "the file system refuses a name that is taken")
	case err != nil:
		return diag.Fail("no-replace", err)
	}
	return diag.Fail("no-replace", fault.New(fault.Conflict, "the file system gave a name that was taken to another file"))
}
