package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"

	"packseal.example/archive"
	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/control"
	"packseal.example/daemon"
	"packseal.example/internal/fault"
)

// newVerify makes the verb that an auditor trusts. Its exit code distinguishes
// damage (3) from not being able to read (1, or 75 if that may be temporary). The
// result is kept for the daemon's metrics, where there is a state folder.
func newVerify() *cobra.Command {
	c := &cobra.Command{
		Use: "verify", Short: "Read everything back and compare it with its manifests", Args: noArgs,
		Long:    "verify reads every manifest and every report in every sink. Missing, altered and\norphaned objects are problems; it then exits with 3.",
		Example: "  packseal verify --config packseal.yaml --json",
	}
	asJSON := jsonFlag(c)
	return reading(c, func(ctx context.Context, cfg *config.Config, a *archive.Archive, _ []string) error {
		result, unread := a.Verify(ctx)
		if unread == nil {
			if err := daemon.SaveVerified(cfg.StateDir, result); err != nil {
				fmt.Fprintf(c.ErrOrStderr(), "warning: the daemon's metrics will not show this run: %v\n", err)
			}
		}
		err := printVerified(c.OutOrStdout(), result, *asJSON)
		switch newer := len(result.Problems) > 0 && !result.Damaged(); {
		case err != nil:
			return err
		case unread != nil && result.Damaged(): // damage is what somebody has to act upon
			return fmt.Errorf("%w; also %w", errDamaged, unread)
		case unread != nil:
			return unread
		case newer:
			return fault.New(fault.Newer, "%d records are newer than this program, and were not checked", len(result.Problems)).WithHint("verify them with a newer packseal")
		case result.Damaged():
			return errDamage
		}
		return nil
	})
}

// seen yields the slots that the daemon of the state folder has seen in the
// archive; none where no daemon runs or may be asked.
func seen(stateDir string, stderr io.Writer) func(context.Context) iter.Seq2[catalog.Listed, error] {
	return func(ctx context.Context) iter.Seq2[catalog.Listed, error] {
		return func(yield func(catalog.Listed, error) bool) {
			for l, err := range control.NewClient(stateDir).Seen(ctx) {
				switch {
				case err != nil && !errors.Is(err, control.ErrNoDaemon):
					fmt.Fprintf(stderr, "warning: slots that vanished are not looked for: %v\n", err)
					return
				case err != nil || !yield(l, nil):
					return
				}
			}
		}
	}
}

// printVerified prints what a verification found, and how much it read.
func printVerified(w io.Writer, r archive.Result, asJSON bool) error {
	if asJSON {
		return printJSON(w, r)
	}
	for _, p := range r.Problems {
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Kind, p.Sink, p.Key, p.Detail); err != nil {
			return err
		}
	}
	if r.Unread > 0 {
		if _, err := fmt.Fprintf(w, "%d objects are in an archive tier, and were not checked\n", r.Unread); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d sealed, %d gaps, %d bytes read: %d problems\n", r.Sealed, r.Gaps, r.Bytes, len(r.Problems))
	return err
}
