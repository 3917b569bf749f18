package main

import (
	"github.com/spf13/cobra"

	"packseal.example/control"
	"packseal.example/internal/table"
)

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
		return "stays paused with its source, by " + table.Plain(o.By+": "+o.Why) + "; to end that: packseal queue resume " + o.Source
	})
}
