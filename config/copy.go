package config

import (
	"os"
	"path/filepath"

	"packseal.example/internal/fault"
	"packseal.example/sink/local"
)

// Copy returns the configuration of a copy of an archive in a folder that exists:
// one sink, and nothing else. An error is an *Error.
func Copy(dir string) (*Config, error) {
	p := fault.Problem{Message: "not a folder", Hint: "--dir takes the folder that holds <source>/<pack>/<year>/…"}
	fi, err := os.Stat(dir)
	if err == nil && fi.IsDir() {
		dir, err = filepath.Abs(dir)
		return &Config{Sinks: []Sink{{Name: "dir", Local: &local.Options{Dir: dir}}}}, err
	}
	if err != nil {
		p.Message = err.Error()
	}
	return nil, newError([]Fault{{Problem: p, File: dir}})
}
