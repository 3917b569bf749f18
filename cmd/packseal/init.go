package main

import (
	"github.com/spf13/cobra"

	"packseal.example/config"
)

func newInit() *cobra.Command {
	return &cobra.Command{
		Use: "init", Short: "Print a commented configuration file", Args: noArgs,
		Example: "  packseal init > packseal.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(config.Example())
			return err
		},
	}
}
