package local

import (
	"context"
	"errors"
	"io/fs"
	"path"

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
	if owner, ok := diag.OtherOwner(s.dir); ok {
		return []diag.Result{diag.Skip("put", "%s belongs to user %d, who might not be able to read what root writes there", s.dir, owner).
			WithHint("run doctor as the user that packseal runs as")}
	}
	results := sink.Try(ctx, s, sink.ProbeKey(""))
	if results[len(results)-1].State == diag.Bad {
		return results
	}
	return append(results, s.checkNoReplace(ctx), diag.FreeSpace("free-space", s.dir, minFree))
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
