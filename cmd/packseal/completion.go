package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/control"
	"packseal.example/daemon"
)

// completed is how many slots of a pack are offered, the newest.
const completed = 50

// completing makes a function that offers arguments for a verb: what offer says
// of the configuration. Without a good one nothing is offered.
func completing(offer func(cmd *cobra.Command, cfg *config.Config) []cobra.Completion) cobra.CompletionFunc {
	return func(cmd *cobra.Command, given []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		named, _ := cmd.Flags().GetString("config")
		path, err := config.Find(named)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		cfg, _, err := config.Load(path)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		cfg, _ = daemon.WithDiscovered(cfg) // without them, the others are offered
		return slices.DeleteFunc(offer(cmd, cfg), func(c cobra.Completion) bool {
			name, _, _ := strings.Cut(c, "\t")
			return slices.Contains(given, name)
		}), cobra.ShellCompDirectiveNoFileComp
	}
}

// Completions of arguments.
var (
	completePacks   = completing(func(_ *cobra.Command, cfg *config.Config) []cobra.Completion { return packNames(cfg) })
	completeSources = completing(func(_ *cobra.Command, cfg *config.Config) []cobra.Completion { return sourceNames(cfg) })

	// completePausable offers what can be paused: sources and packs.
	completePausable = completing(func(_ *cobra.Command, cfg *config.Config) []cobra.Completion {
		return append(sourceNames(cfg), packNames(cfg)...)
	})
	completeSinks = completing(func(_ *cobra.Command, cfg *config.Config) (names []cobra.Completion) {
		for _, s := range cfg.Sinks {
			names = append(names, s.Name)
		}
		return names
	})
	completeChannels = completing(func(_ *cobra.Command, cfg *config.Config) (names []cobra.Completion) {
		for _, n := range cfg.Notify {
			names = append(names, n.Name)
		}
		return names
	})

	completeSlots        = completing(slotNames)
	completePacksOrSlots = completing(func(cmd *cobra.Command, cfg *config.Config) []cobra.Completion {
		return append(packNames(cfg), slotNames(cmd, cfg)...)
	})
)

// slotNames are the newest slots that the daemon knows: a bucket is not asked at each
// press of a key.
func slotNames(cmd *cobra.Command, cfg *config.Config) (names []cobra.Completion) {
	for r, err := range control.NewClient(cfg.StateDir).Records(cmd.Context(), catalog.Query{Limit: completed}) {
		if err != nil {
			break
		}
		names = append(names, cobra.CompletionWithDesc(r.ID(), string(r.State)))
	}
	return names
}

func packNames(cfg *config.Config) (names []cobra.Completion) {
	for _, e := range cfg.Entries() {
		names = append(names, cobra.CompletionWithDesc(e.Pack.Source+"/"+e.Pack.Key(), cmp.Or(e.Pack.Name, e.Schedule)))
	}
	return names
}

func sourceNames(cfg *config.Config) []cobra.Completion {
	return slices.Sorted(maps.Keys(cfg.Sources))
}
