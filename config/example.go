package config

import _ "embed" // for the example

//go:embed example.yaml
var example []byte

// Example returns a commented configuration file with every setting. An inactive
// setting is a comment without a space after the "#": removing the "#" activates
// it.
func Example() []byte { return append([]byte(nil), example...) }
