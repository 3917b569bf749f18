//go:build !man

package main

import "github.com/spf13/cobra"

// releaseVerbs are none here: see man.go.
func releaseVerbs() []*cobra.Command { return nil }
