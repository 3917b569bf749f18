package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"packseal.example/internal/fault"
)

// newReload makes the verb for systemd and for scripts. The daemon alone judges
// the file: it may see secrets that whoever asks does not.
func newReload() *cobra.Command {
	c := &cobra.Command{
		Use: "reload", Short: "Have the daemon reload its configuration, and wait for the outcome", Args: noArgs,
		Long: `reload asks the running daemon to load its configuration file anew, and waits. If
the file is not valid, it prints what is wrong, the old configuration stays in
effect, and it exits with 2. The daemon also reloads by itself when the file
changes.`,
		Example: "  packseal reload --config /etc/packseal/packseal.yaml",
	}
	path := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		daemon, err := reach(*path)
		if err != nil {
			return err
		}
		err = unanswered(daemon.Reload(c.Context()), *path)
		switch {
		case fault.Of(err) == fault.Request: // it is in the words of check
			fmt.Fprintf(c.ErrOrStderr(), "%v\nnot reloaded: the old configuration stays in effect\n", err)
			return fmt.Errorf("%w: %w", errUsage, errSilent)
		case err == nil:
			_, err = fmt.Fprintln(c.OutOrStdout(), "reloaded")
		}
		return err
	}
	return c
}
