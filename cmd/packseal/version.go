package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// version is set by the release's linker flags.
var version = "dev"

// tool names this program in records and to servers.
func tool() string { return "packseal/" + version }

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		Run: func(c *cobra.Command, _ []string) {
			fmt.Fprintln(c.OutOrStdout(), c.Root().Version)
		},
	}
}
