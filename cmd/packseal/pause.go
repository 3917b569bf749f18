package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/control"
	"packseal.example/internal/evidence"
	"packseal.example/internal/i18n"
	"packseal.example/internal/table"
	"packseal.example/scheduler/queue"
)

func newPause() *cobra.Command {
	c := &cobra.Command{
		Use: "pause SOURCE|PACK…", Short: "Start no work on sources or packs, in all replicas, until they are resumed",
		Long: `pause makes all replicas start no work on the sources and packs named, also after
restarts, until resume or, with --for, for that long. Work in progress is finished,
and reports that have been fetched still go to the sinks. Slots still fall due, and
wait; one that waits past its time-out becomes a gap, whose record says who paused
it and why.`,
		Example: `  packseal queue pause prod --why "quota exhausted until Monday"
  packseal queue pause prod --for 2h --why "key rotation"
  packseal queue pause cp-fdc8626622af00f90000 --why "the pack is being changed"`,
	}
	why := c.Flags().String("why", "", "the reason, which is shown and kept; required")
	var duration time.Duration
	durationFlag(c, &duration, "for", 0, "how long, such as 2h or 3d; the pause then ends by itself (default: until resume)")
	return ordering(c, func(o *control.Order) error {
		if o.For = duration; c.Flags().Changed("for") && o.For < time.Second {
			return fmt.Errorf("%w: --for takes 1s or more, such as 2h or 3d", errUsage)
		}
		if o.Why = strings.TrimSpace(*why); o.Why == "" {
			return fmt.Errorf("%w: --why is required: it is shown to whoever finds the pause, and recorded in gaps", errUsage)
		}
		return nil
	}, (*control.Client).Pause, func(o control.Outcome) string {
		if !o.Changed {
			return "was paused already, since " + o.Since.Format(time.RFC3339) + until(o.Pause) + " by " + table.Plain(o.By+": "+o.Why)
		}
		return "is paused" + until(o.Pause)
	})
}

// ordering makes a verb that pauses or resumes.
func ordering(c *cobra.Command, complete func(*control.Order) error,
	give func(*control.Client, context.Context, control.Order) ([]control.Outcome, error), say func(control.Outcome) string,
) *cobra.Command {
	path, asJSON := configFlag(c), jsonFlag(c)
	c.ValidArgsFunction = completePausable
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%w: %s takes sources or packs", errUsage, c.Name())
		}
		o := control.Order{Names: args, By: whoami()}
		if err := complete(&o); err != nil {
			return err
		}
		daemon, err := reach(*path)
		if err != nil {
			return err
		}
		outcomes, err := give(daemon, c.Context(), o)
		if err != nil {
			return misnamed(unanswered(err, *path))
		}
		if *asJSON {
			for _, o := range outcomes {
				if err := printJSON(c.OutOrStdout(), o); err != nil {
					return err
				}
			}
			return nil
		}
		for _, o := range fold(outcomes) {
			if _, err := fmt.Fprintf(c.OutOrStdout(), "%s %s\n", o.name(), say(o.Outcome)); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

// folded is what is the case of a source or a pack, and of the accounts of the source.
type folded struct {
	control.Outcome
	accounts int
}

// name names it for people.
func (f folded) name() string {
	if f.accounts > 0 {
		return pausable(f.Pause) + ", with " + i18n.Count(f.accounts, "account") + ","
	}
	return pausable(f.Pause)
}

// fold leaves out those of member accounts of which the same is the case as of the
// source that lists them: there may be thousands.
func fold(all []control.Outcome) (some []folded) {
	at := make(map[string]int) // by source
	for i, o := range all {
		if o.Pack == "" {
			at[o.Source] = i
		}
	}
	accounts := make(map[int]int)
	stands := func(o control.Outcome) (parent int, ok bool) {
		name, _, member := evidence.SplitMember(o.Source)
		parent, ok = at[name]
		return parent, ok && member && o.Pack == "" && same(o, all[parent])
	}
	for _, o := range all {
		if parent, ok := stands(o); ok {
			accounts[parent]++
		}
	}
	for i, o := range all {
		if _, ok := stands(o); !ok {
			some = append(some, folded{o, accounts[i]})
		}
	}
	return some
}

// same reports whether two sources are paused by one order, or neither is.
func same(a, b control.Outcome) bool {
	return a.Since.Equal(b.Since) && a.Until.Equal(b.Until) && a.By == b.By && a.Why == b.Why && a.Changed == b.Changed
}

// foldPauses is fold of pauses.
func foldPauses(pauses []queue.Pause) []folded {
	all := make([]control.Outcome, len(pauses))
	for i, p := range pauses {
		all[i].Pause = p
	}
	return fold(all)
}

// ago says since when a pause is in force, and until when.
func ago(p queue.Pause, now time.Time) string {
	text := roughly(now.Sub(p.Since)) + " ago"
	if ends := until(p); ends != "" {
		text += "," + ends
	}
	return text
}

// until says when a pause ends by itself, if it does.
func until(p queue.Pause) string {
	if p.Until.IsZero() {
		return ""
	}
	return " until " + p.Until.Format(time.RFC3339)
}

// pausable names a source or a pack, as pause takes it.
func pausable(p queue.Pause) string {
	if p.Pack == "" {
		return p.Source
	}
	return p.Source + "/" + p.Pack
}

// whoami names the user, for the record: also behind sudo, and in a container,
// where users have no names.
func whoami() string {
	name := cmp.Or(os.Getenv("SUDO_USER"), fmt.Sprint("uid ", os.Getuid()))
	if u, err := user.Current(); err == nil && os.Getenv("SUDO_USER") == "" {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return fmt.Sprintf("%.120s", table.Plain(name))
}
