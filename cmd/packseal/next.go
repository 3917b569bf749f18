package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/config"
	"packseal.example/internal/table"
	"packseal.example/internal/units"
)

// newNext makes the verb that shows when schedules are due: in each pack's own
// zone, in which people think, and in UTC, which names the slot.
func newNext() *cobra.Command {
	c := &cobra.Command{
		Use: "next [PACK…]", Short: "Print when slots fall due next, in order of time",
		Long: `next prints when the slots of packs fall due next, in the pack's time zone and in
UTC, and how much later they start. Packs of which nothing falls due any more come
last: one is disabled, or ended when its until came.`,
		Example:           "  packseal next\n  packseal next -n 3 cp-fdc8626622af00f90000",
		ValidArgsFunction: completePacks,
	}
	path, asJSON := configFlag(c), jsonFlag(c)
	n := c.Flags().IntP("count", "n", 1, "how many due times of each pack")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *n < 1 {
			return fmt.Errorf("%w: --count takes a number of due times, at least 1", errUsage)
		}
		cfg, err := load(*path, c.ErrOrStderr())
		if err != nil {
			return err
		}
		entries, err := chooseAny(cfg, args)
		if err != nil {
			return err
		}
		all := upcoming(entries, time.Now(), *n)
		if *asJSON {
			for _, u := range all {
				if err := printJSON(c.OutOrStdout(), u.json()); err != nil {
					return err
				}
			}
			return nil
		}
		t := table.New(c.OutOrStdout(), "DUE", "UTC", "STARTS", "PACK", "NAME", "SCHEDULE")
		for _, u := range all {
			if err := u.row(t); err != nil {
				return err
			}
		}
		return t.Flush()
	}
	return c
}

// upcomingSlot is a slot that is not due yet.
type upcomingSlot struct {
	config.Entry
	due time.Time
}

// upcoming returns the next n slots of each pack, in order of time, and then one
// without a due time of each pack of which nothing falls due any more.
func upcoming(entries []config.Entry, now time.Time, n int) (all []upcomingSlot) {
	var over []upcomingSlot
	for _, e := range entries {
		if e.Disabled || e.Ended(now) {
			over = append(over, upcomingSlot{Entry: e})
			continue
		}
		due := now
		for range n {
			if due = e.Plan.Next(due); due.IsZero() {
				break
			}
			all = append(all, upcomingSlot{e, due})
		}
	}
	slices.SortStableFunc(all, func(x, y upcomingSlot) int { return x.due.Compare(y.due) })
	return append(all, over...)
}

// row prints the slot as a row of the table.
func (u upcomingSlot) row(t *table.Writer) error {
	if word := u.over(); word != "" {
		return t.Row(word, "-", "-", u.Pack.Source+"/"+u.Pack.Key(), u.Pack.Name, u.Schedule)
	}
	start := u.Start(u.due).Sub(u.due)
	return t.Row(u.due.In(u.Zone()).Format(localTime), u.due.Format(time.RFC3339), "+"+units.FormatDuration(start), u.Pack.Source+"/"+u.Pack.Key(), u.Pack.Name, u.Schedule)
}

// over says why nothing falls due any more; "" if that is not so.
func (u upcomingSlot) over() string {
	switch {
	case !u.due.IsZero():
		return ""
	case u.Disabled:
		return "disabled"
	}
	return endedAt(u.Until, u.Zone())
}

// endedAt says when the schedule of a pack ended.
func endedAt(until time.Time, zone *time.Location) string {
	return "ended at " + until.In(zone).Format(localTime)
}

// json is the slot as next --json prints it.
func (u upcomingSlot) json() map[string]any {
	if u.due.IsZero() {
		over := map[string]any{"source": u.Pack.Source, "pack": u.Pack.Key(), "name": u.Pack.Name, "time_zone": u.TimeZone, "schedule": u.Schedule, "disabled": u.Disabled}
		if !u.Until.IsZero() {
			over["until"] = u.Until
		}
		return over
	}
	return map[string]any{
		"source": u.Pack.Source, "pack": u.Pack.Key(), "name": u.Pack.Name, "due": u.due, "start": u.Start(u.due),
		"local": u.due.In(u.Zone()), "time_zone": u.TimeZone, "schedule": u.Schedule,
	}
}
