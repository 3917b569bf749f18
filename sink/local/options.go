package local

import (
	"context"
	"os"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Options are the `local` entry of a sink in the configuration file.
type Options struct {
	Dir string `yaml:"dir"` // the folder, made when it is not there; required
}

var _ sink.Opener = (*Options)(nil)

// Check implements [sink.Opener].
func (o *Options) Check() []fault.Problem {
	if o.Dir == "" {
		return []fault.Problem{{Path: "dir", Message: "missing", Hint: "name the folder that the evidence is kept in"}}
	}
	if fi, err := os.Stat(o.Dir); err == nil && !fi.IsDir() {
		return []fault.Problem{{Path: "dir", Message: o.Dir + " is not a folder", Hint: "name a folder, or one that is not there yet"}}
	}
	return nil
}

// Open clears the folder of what crashes left; where there is none, the first
// call makes it. It implements [sink.Opener]: a folder that is out of reach now
// is no error.
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
