package config

import _ "embed" // for the example

//go:embed example.yaml
var example []byte

// Example returns a commented configuration file that shows every setting. A
// setting that is not in force stands behind a "#" without a space, so that
// taking the "#" away puts it in force.
func Example() []byte { return append([]byte(nil), example...) }
