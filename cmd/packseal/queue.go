package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/config"
	"packseal.example/control"
	"packseal.example/internal/fault"
)

// listedAtMost is how many slots packseal queue lists without --all.
const listedAtMost = 100

// newQueue makes the verb for what is not settled yet, and its own two verbs. It
// asks the daemon, because only the daemon can open the queue's store.
func newQueue() *cobra.Command {
	c := &cobra.Command{
		Use: "queue [PACK…]", Short: "List slots that are not settled yet; pause and resume",
		Long: `queue asks the running daemon for the slots that are due and not settled: which
are being worked on, by which replica and since when; which wait for a retry, and
why; which wait or are paused. The answer covers all replicas. With --json each
line has one of pause, member, slot and total, the total last.`,
		Example: `  packseal queue
  packseal queue --source prod --all --json | jq -c 'select(.slot) | .slot'
  packseal queue pause prod --why "the bucket moves, ticket 4711"
  packseal queue resume prod`,
	}
	path, asJSON := configFlag(c), jsonFlag(c)
	c.ValidArgsFunction = completePacks
	source := c.Flags().String("source", "", "list the slots of this source, and of its accounts")
	c.RegisterFlagCompletionFunc("source", completeSources) //nolint:errcheck // the flag is there
	all := c.Flags().Bool("all", false, fmt.Sprintf("list all slots, not the first %d", listedAtMost))
	c.RunE = func(c *cobra.Command, args []string) error {
		daemon, err := reach(*path)
		if err != nil {
			return err
		}
		sel := control.Selection{Source: *source, Names: args, Limit: listedAtMost}
		if *all {
			sel.Limit = 0
		}
		t := &queueTable{out: c.OutOrStdout(), now: time.Now()}
		for line, err := range daemon.List(c.Context(), sel) {
			switch {
			case err != nil:
				return misnamed(errors.Join(t.flush(), unanswered(err, *path)))
			case *asJSON:
				err = printJSON(c.OutOrStdout(), line)
			default:
				err = t.print(line)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	c.AddCommand(newPause(), newResume())
	return c
}

// reach returns what asks the daemon of a configuration.
// Of the file it needs state_dir alone: the daemon may run with an older one.
func reach(path string) (*control.Client, error) {
	file, err := config.Find(path)
	if err != nil {
		return nil, err
	}
	return control.NewClient(config.StateDir(file)), nil
}

// unanswered returns why the daemon of a configuration was not reached: what is wrong
// with the file comes first, which may name no state folder.
func unanswered(err error, path string) error {
	if errors.Is(err, control.ErrNoDaemon) {
		if _, bad := load(path, io.Discard); bad != nil {
			return bad
		}
	}
	return err
}

// misnamed makes a name that the daemon does not know wrong usage.
func misnamed(err error) error {
	if fault.Of(err) == fault.NotFound {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return err
}
