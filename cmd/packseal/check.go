package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newCheck makes the verb for editors and pipelines. It uses no network: a good
// file is one that can be run, not one whose keys are accepted.
func newCheck() *cobra.Command {
	c := &cobra.Command{
		Use: "check", Short: "Check a configuration file, offline", Args: noArgs,
		Example: "  packseal check --config packseal.yaml",
	}
	path := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := load(*path, c.ErrOrStderr())
		if err == nil {
			fmt.Fprintf(c.OutOrStdout(), "%s: %s: good\n", cfg.File(), cfg.Summary())
		}
		return err
	}
	return c
}
