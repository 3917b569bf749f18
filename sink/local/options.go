// Package local keeps evidence in a folder of a local or mounted file system.
package local

// Options are the `local` entry of a sink in the configuration file.
type Options struct {
	Dir string `yaml:"dir"` // the folder, made when it is not there; required
}
