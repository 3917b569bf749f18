package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"packseal.example/config"
	"packseal.example/control"
	"packseal.example/daemon"
	"packseal.example/internal/evidence"
	"packseal.example/internal/table"
)

// newPacks makes the verb for which packs there are.
func newPacks() *cobra.Command {
	c := &cobra.Command{
		Use: "packs", Short: "List the packs that exist, and which of them are kept", Args: noArgs,
		Long: `packs lists the packs that sources have: of the account, and of the account groups
that discover or an entry of packs names. STATE says whether their reports are kept, and
BY what decided. STATUS is Config's, or "not listed" of one that packs names and
listings have not shown.

  STATE      BY          the pack
  kept       packs       has an entry
  kept       rule 2      fits the second rule of discover, and none before it
  not kept               has neither an entry nor a rule
  excluded   rule 1      fits a rule with keep: false
  excluded   only packs  is of an account that only packs names, and is not named
  creating               is being created: rules decide once it is there
  disabled   enabled     is kept but for enabled: false, in its entry or its source
  ended at…  packs       has an entry whose until has come

Of a source with accounts, those of each account are listed, as <source>.<account ID>.

A running daemon answers with what it listed last; --refresh has it list anew, and
keep what a rule says. Without a daemon, the sources are listed here and now, and
nothing is changed. Listing needs the RAM actions config:ListCompliancePacks and,
for account groups, config:ListAggregators and config:ListAggregateCompliancePacks,
and config:ListReportTemplates for the report templates under packs; listing accounts
needs resourcedirectory:ListAccounts, and sts:AssumeRole.

--yaml prints the packs that are not kept as entries for packs: a file for packs_file,
under a name that is new there. With --json, each
line is a source with its packs. If not everything could be listed, packs says why
and exits with the code of that error.`,
		Example: "  packseal packs\n  packseal packs --source prod --refresh\n  packseal packs --yaml > packs.d/2026-11-30.yaml",
	}
	path, asJSON := configFlag(c), jsonFlag(c)
	source := c.Flags().String("source", "", "list the packs of this source")
	c.RegisterFlagCompletionFunc("source", completeSources) //nolint:errcheck // the flag is there
	refresh := c.Flags().Bool("refresh", false, "have the daemon list the packs anew")
	asYAML := c.Flags().Bool("yaml", false, "print the packs that are not kept as entries for packs")
	c.MarkFlagsMutuallyExclusive("json", "yaml")
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := reach(*path)
		if err != nil {
			return err
		}
		all, err := client.Packs(c.Context(), *source, *refresh)
		if errors.Is(err, control.ErrNoDaemon) {
			all, err = listPacks(c, *path, *source)
		}
		if err != nil {
			return misnamed(err)
		}
		switch {
		case *asJSON:
			err = printEach(c.OutOrStdout(), all)
		case *asYAML:
			err = printEntries(c.OutOrStdout(), all, len(all) > 1 || *source != "")
		default:
			err = printPacks(c.OutOrStdout(), all, time.Now())
		}
		return errors.Join(err, listTroubles(c.ErrOrStderr(), all))
	}
	return c
}

// listPacks lists the packs of a configuration without a daemon.
func listPacks(c *cobra.Command, path, source string) ([]control.SourcePacks, error) {
	cfg, err := load(path, c.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	if !hasSource(cfg, source) {
		return nil, fmt.Errorf("%w: there is no source %q in the configuration", errUsage, source)
	}
	return daemon.ListPacks(c.Context(), cfg, source, tool())
}

// hasSource reports whether the configuration has a source, or may have found it: an
// account that is not known here may be to the daemon. No name stands for each.
func hasSource(cfg *config.Config, name string) bool {
	parent, _, member := evidence.SplitMember(name)
	_, ok := cfg.Sources[name]
	return ok || name == "" || member && cfg.Sources[parent].Accounts != nil
}

// printEach prints each source on a line of its own.
func printEach(w io.Writer, all []control.SourcePacks) error {
	for _, s := range all {
		if err := printJSON(w, s); err != nil {
			return err
		}
	}
	return nil
}

// printPacks prints a table of all packs and a line of totals for each source.
func printPacks(w io.Writer, all []control.SourcePacks, now time.Time) error {
	t := table.New(w, "STATE", "BY", "PACK", "NAME", "STATUS", "RISK", "SCHEDULE", "TAGS")
	for _, s := range all {
		for _, p := range s.Packs {
			if err := t.Row(packState(p), decidedBy(p), p.Source+"/"+p.Key(), p.Name, packStatus(p), p.Risk, p.Schedule, tagList(p.Tags)); err != nil {
				return err
			}
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, s := range all {
		counts := make(map[string]int)
		for _, p := range s.Packs {
			counts[strings.ReplaceAll(p.State, "_", " ")]++
		}
		listed := "never listed completely"
		switch {
		case s.Disabled:
			listed = "the source is disabled"
		case !s.Listed.IsZero():
			listed = "listed " + roughly(now.Sub(s.Listed)) + " ago"
		}
		if _, err := fmt.Fprintf(w, "%s: %s, %s\n", sourceName(s), counted(counts), listed); err != nil {
			return err
		}
	}
	return nil
}

// packState is what is done with a pack.
func packState(p control.FoundPack) string {
	if p.State == string(config.Ended) {
		return endedAt(p.Until, zoneOf(p.TimeZone))
	}
	return strings.ReplaceAll(p.State, "_", " ")
}

// zoneOf returns a time zone by its name, or UTC.
func zoneOf(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return zone
}

// sourceName is the source, with the name of its account if it stands for one.
func sourceName(s control.SourcePacks) string {
	if s.AccountName != "" {
		return s.Source + " (" + s.AccountName + ")"
	}
	return s.Source
}

// decidedBy says what decided about a pack.
func decidedBy(p control.FoundPack) string {
	switch {
	case p.State == string(config.Disabled):
		return "enabled"
	case p.Rule > 0:
		return fmt.Sprintf("rule %d", p.Rule)
	case p.State == string(config.Excluded):
		return "only packs"
	case p.State == string(config.Kept), p.State == string(config.Ended):
		return "packs"
	}
	return ""
}

// packStatus is the pack's status, and whether the last listings lacked it.
func packStatus(p control.FoundPack) string {
	switch {
	case p.Unseen:
		return "not listed"
	case p.Missed > 0:
		return strings.TrimPrefix(fmt.Sprintf("%s, not in the last %d listings", p.Status, p.Missed), ", ")
	}
	return p.Status
}

// tagList writes tags in the order of their keys.
func tagList(tags map[string]string) string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, key+"="+tags[key])
	}
	return strings.Join(list, ",")
}

// printEntries prints the packs that are not kept as they are written in a
// configuration file.
func printEntries(w io.Writer, all []control.SourcePacks, withSource bool) error {
	entries := []config.Pack{}
	for _, s := range all {
		for _, p := range s.Packs {
			if p.State != string(config.NotKept) || s.Disabled {
				continue
			}
			e := config.Pack{ID: p.ID, Name: p.Name, Aggregator: p.Aggregator}
			if withSource {
				e.Source = s.Source
			}
			entries = append(entries, e)
		}
	}
	b, err := yaml.Marshal(map[string][]config.Pack{"packs": entries})
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

// listTroubles prints what could not be listed. Its error, which is printed already,
// is of what does not pass by itself.
func listTroubles(w io.Writer, all []control.SourcePacks) (err error) {
	for _, s := range all {
		for _, t := range s.Troubles {
			fmt.Fprintf(w, "%s: %s\n", sourceName(s), t.Message)
			if t.Hint != "" {
				fmt.Fprintf(w, "  hint: %s\n", t.Hint)
			}
			if !t.Passing && err == nil {
				err = fmt.Errorf("%w: %w", errSilent, t.Err())
			}
		}
	}
	return err
}
