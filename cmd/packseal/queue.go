package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/control"
	"packseal.example/internal/fault"
	"packseal.example/scheduler/queue"
)

// listedAtMost is how many slots packseal queue lists without --all.
const listedAtMost = 100

// newQueue makes the verb for what is not settled yet, and its own two verbs.
// It asks the daemon, as the queue's store is the daemon's alone; what it then
// hears is of all replicas.
func newQueue() *cobra.Command {
	c := &cobra.Command{
		Use: "queue [PACK…]", Short: "List what waits and what is at work; pause and resume",
		Long: `queue asks the running daemon for the slots that are due and not settled: which
are worked on, by which replica since when, which wait for another try and why,
and which just wait or are paused. It speaks for all replicas. With --json each
line holds one of pause, member, slot and total, the total last.`,
		Example: `  packseal queue
  packseal queue --source prod --all --json | jq -c 'select(.slot) | .slot'
  packseal queue pause prod --why "the bucket moves, ticket 4711"
  packseal queue resume prod`,
	}
	path, asJSON := configFlag(c), jsonFlag(c)
	source := c.Flags().String("source", "", "list the slots of this source")
	all := c.Flags().Bool("all", false, fmt.Sprintf("list all slots, not the first %d", listedAtMost))
	c.RunE = func(c *cobra.Command, args []string) error {
		daemon, err := reach(c, *path)
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
				return misnamed(errors.Join(t.flush(), err))
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
func reach(c *cobra.Command, path string) (*control.Client, error) {
	cfg, err := load(path, c.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	return control.NewClient(cfg.StateDir), nil
}

// misnamed makes a name that the daemon does not know wrong usage.
func misnamed(err error) error {
	if fault.Of(err) == fault.NotFound {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return err
}

func newPause() *cobra.Command {
	c := &cobra.Command{
		Use: "pause SOURCE|PACK…", Short: "Begin no work on sources or packs, in all replicas, until they are resumed",
		Long: `pause has all replicas begin no work on the sources and packs named, also after
restarts, until resume. What is at work is finished, and reports that are here
go on into the sinks. Slots go on falling due and wait; one that waits past its
time-out is a gap, whose record says who paused it and why.`,
		Example: `  packseal queue pause prod --why "quota exhausted until Monday"
  packseal queue pause cp-fdc8626622af00f90000 --why "the pack is being changed"`,
	}
	why := c.Flags().String("why", "", "the reason, which is shown and kept; required")
	return ordering(c, func(o *control.Order) error {
		if o.Why = strings.TrimSpace(*why); o.Why == "" {
			return fmt.Errorf("%w: --why is required: it is shown to whoever finds the pause, and recorded in gaps", errUsage)
		}
		return nil
	}, (*control.Client).Pause, func(o control.Outcome) string {
		if !o.Changed {
			return "was paused already, since " + o.Since.Format(time.RFC3339) + " by " + plainText(o.By+": "+o.Why)
		}
		return "is paused"
	})
}

func newResume() *cobra.Command {
	c := &cobra.Command{
		Use: "resume SOURCE|PACK…", Short: "End the pause of sources or packs",
		Example: "  packseal queue resume prod\n  packseal queue resume cp-fdc8626622af00f90000",
	}
	return ordering(c, func(*control.Order) error { return nil }, (*control.Client).Resume, func(o control.Outcome) string {
		switch {
		case o.Since.IsZero() && o.Changed:
			return "goes on"
		case o.Since.IsZero():
			return "was not paused"
		}
		return "stays paused with its source, by " + plainText(o.By+": "+o.Why) + "; to end that: packseal queue resume " + o.Source
	})
}

// ordering makes a verb that changes what is paused.
func ordering(c *cobra.Command, complete func(*control.Order) error,
	give func(*control.Client, context.Context, control.Order) ([]control.Outcome, error), say func(control.Outcome) string,
) *cobra.Command {
	path, asJSON := configFlag(c), jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%w: %s takes sources or packs", errUsage, c.Name())
		}
		o := control.Order{Names: args, By: whoami()}
		if err := complete(&o); err != nil {
			return err
		}
		daemon, err := reach(c, *path)
		if err != nil {
			return err
		}
		outcomes, err := give(daemon, c.Context(), o)
		if err != nil {
			return misnamed(err)
		}
		for _, o := range outcomes {
			if *asJSON {
				err = printJSON(c.OutOrStdout(), o)
			} else {
				_, err = fmt.Fprintf(c.OutOrStdout(), "%s %s\n", pausable(o.Pause), say(o))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

// pausable names what can be paused, as pause takes it.
func pausable(p queue.Pause) string {
	if p.Pack == "" {
		return p.Source
	}
	return p.Source + "/" + p.Pack
}

// whoami names who types this, for the record: also behind sudo, and in a
// container, where users have no names.
func whoami() string {
	name := cmp.Or(os.Getenv("SUDO_USER"), fmt.Sprint("uid ", os.Getuid()))
	if u, err := user.Current(); err == nil && os.Getenv("SUDO_USER") == "" {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return fmt.Sprintf("%.120s", plainText(name))
}
