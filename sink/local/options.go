package local

import (
	"context"
	"os"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Options are the `local` entry of a sink in the configuration file.
type Options struct {
	Dir string `yaml:"dir"` // the directory; created if it does not exist; required
}

var _ sink.Opener = (*Options)(nil)

// Check implements [sink.Opener].
func (o *Options) Check() []fault.Problem {
	var ps fault.Problems
	ps.Require(o.Dir != "", "dir", "missing", "name the directory for the evidence")
	fi, err := os.Stat(o.Dir)
	ps.Require(err != nil || fi.IsDir(), "dir", o.Dir+" is not a directory", "name a directory, or a path that does not exist yet")
	return ps
}

// Open implements [sink.Opener]. It removes files that crashes left behind. A
// directory that does not exist is created by the first call; one that cannot be
// accessed now is not an error.
func (o *Options) Open(context.Context) (sink.Sink, error) {
	if p := o.Check(); len(p) > 0 {
		return nil, fault.New(fault.SinkDenied, "%s: %s", p[0].Path, p[0].Message).WithHint("%s", p[0].Hint)
	}
	s := &Sink{dir: o.Dir}
	if _, err := os.Stat(o.Dir); err != nil {
		return s, nil
	}
	if root, err := s.root(); err == nil {
		sweep(root)
		_ = root.Close()
	}
	return s, nil
}
