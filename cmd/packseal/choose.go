package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"packseal.example/config"
	"packseal.example/control"
	"packseal.example/daemon"
	"packseal.example/internal/fault"
)

// choose returns the entries of the packs named; of all, when none is named.
func choose(cfg *config.Config, names []string) ([]config.Entry, error) {
	for _, name := range names {
		if _, err := config.Choose(cfg.Entries(), []string{name}); err == nil {
			continue
		}
		if off, err := config.Choose(cfg.Disabled(), []string{name}); err == nil {
			return nil, fmt.Errorf("%w: the pack %s/%s is disabled: enabled: false, in its entry or its source", errUsage, off[0].Pack.Source, off[0].Pack.Key())
		}
	}
	return chooseOf(cfg.Entries(), names)
}

// chooseAny is choose with the packs that are disabled among them.
func chooseAny(cfg *config.Config, names []string) ([]config.Entry, error) {
	return chooseOf(slices.Concat(cfg.Entries(), cfg.Disabled()), names)
}

func chooseOf(entries []config.Entry, names []string) ([]config.Entry, error) {
	chosen, err := config.Choose(entries, names)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	return chosen, nil
}

// chooseListed is choose for a verb that needs no daemon. Where none runs, and what is
// wanted may be packs that rules find, it lists them first, and returns the
// configuration with them. What could not be listed is printed, and unlisted is its
// error.
func chooseListed(c *cobra.Command, cfg *config.Config, names []string) (_ *config.Config, entries []config.Entry, unlisted, err error) {
	entries, err = choose(cfg, names)
	finds := slices.ContainsFunc(slices.Collect(maps.Keys(cfg.Sources)), cfg.NeedsListing)
	if finds && (err != nil || len(names) == 0) && !hasDaemon(c, cfg) {
		with, listed, failed := daemon.Discover(c.Context(), cfg, tool())
		if failed != nil {
			return nil, nil, nil, failed
		}
		cfg, unlisted = with, listTroubles(c.ErrOrStderr(), listed)
		entries, err = choose(cfg, names)
	}
	switch {
	case err != nil && unlisted != nil: // it may be among those that could not be listed
		fmt.Fprintf(c.ErrOrStderr(), "packseal: %v\n", err)
		err = unlisted
	case err == nil && len(entries) == 0 && unlisted != nil:
		err = unlisted
	case err == nil && len(entries) == 0 && finds:
		err = fault.New(fault.NotReady, "no pack is known that a rule of discover keeps").WithHint("packseal packs lists the packs that exist, and which are kept")
	case err == nil && len(entries) == 0:
		err = fmt.Errorf("%w: every pack is disabled: enabled: false, in its entry or its source", errUsage)
	}
	return cfg, entries, unlisted, err
}

// hasDaemon reports whether a daemon runs on the state folder.
func hasDaemon(c *cobra.Command, cfg *config.Config) bool {
	_, err := control.NewClient(cfg.StateDir).Status(c.Context())
	return !errors.Is(err, control.ErrNoDaemon)
}
