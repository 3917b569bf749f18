package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"packseal.example/control"
)

func newReload() *cobra.Command {
	c := &cobra.Command{
		Use: "reload", Short: "Have the running daemon load its configuration anew", Args: noArgs,
		Long: `reload checks the configuration, has the daemon that runs with it on this machine
load it, and waits until it is in force. If anything is wrong with it, reload says
what, and the daemon goes on with the old one.`,
		Example: "  packseal reload",
	}
	path := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := load(*path, c.ErrOrStderr())
		if err != nil {
			return err
		}
		if err := control.NewClient(cfg.StateDir).Reload(c.Context()); err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s is in force: %d packs, %d sinks\n", cfg.File(), len(cfg.Entries()), len(cfg.Sinks))
		return err
	}
	return c
}
