package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/archive/ledger"
	"packseal.example/internal/atomicfile"
	"packseal.example/internal/fault"
	"packseal.example/internal/i18n"
	"packseal.example/internal/units"
)

func newLedgerAdopt() *cobra.Command {
	c := &cobra.Command{
		Use: "adopt", Short: "Log what lies in the archive and is not in the ledger, as found there", Args: noArgs,
		Long: `adopt logs every manifest and gap record of the first sink that has no entry in the
ledger: what was kept before there was one, or by a replica whose disk was lost. Such
an entry says that the record was there when it was found, and that nobody vouches for
how it came there; it never counts as kept. Look first at what --dry-run counts: adopt
does not turn what somebody else put into the bucket into evidence.

It is safe beside a running daemon, and when it is run again it logs only what is new.
Of replicas that share a queue, what was stored within the last two intervals is left
out: another one may be about to log it.`,
		Example: "  packseal ledger adopt --dry-run\n  packseal ledger adopt --json",
	}
	path, asJSON := configFlag(c), jsonFlag(c)
	var o ledger.Adoption
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "count, and log nothing")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, l, err := loadLedger(c, *path)
		if err != nil {
			return err
		}
		if cfg.Queue.Shared() {
			o.Before = time.Now().Add(-2 * l.Every)
		}
		done := showAdoption(c.ErrOrStderr(), &o)
		adopted, err := l.Adopt(c.Context(), o)
		done()
		if err != nil {
			return err
		}
		for _, key := range adopted.Unread {
			fmt.Fprintf(c.ErrOrStderr(), "warning: %s can't be read as a record, and was left out\n", key)
		}
		for _, key := range adopted.Planted {
			fmt.Fprintf(c.ErrOrStderr(), "warning: %s was stored before its slot fell due, and was left out\n", key)
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), adopted)
		}
		return printAdopted(c.OutOrStdout(), adopted, o.DryRun, 2*l.Every)
	}
	return c
}

// showAdoption shows on a terminal how far an adoption has come; done removes it.
func showAdoption(w io.Writer, o *ledger.Adoption) (done func()) {
	if !terminal(w) {
		return func() {}
	}
	const clear = "\r\x1b[K"
	o.Progress = func(a ledger.Adopted) {
		fmt.Fprintf(w, "%s%d records found, %d known", clear, a.Manifests+a.Gaps, a.Known)
	}
	return func() { io.WriteString(w, clear) } //nolint:errcheck // it is for looking at
}

func printAdopted(w io.Writer, a ledger.Adopted, dry bool, recent time.Duration) error {
	did := "logged as found"
	if dry {
		did = "would be logged as found"
	}
	more := ""
	if a.Recent > 0 {
		more = fmt.Sprintf("; %d stored within the last %s left out", a.Recent, units.FormatDuration(recent))
	}
	_, err := fmt.Fprintf(w, "%s and %s %s; %d have an entry%s\n", i18n.Count(a.Manifests, "manifest"), i18n.Count(a.Gaps, "gap record"), did, a.Known, more)
	return err
}

func newLedgerExport() *cobra.Command {
	c := &cobra.Command{
		Use: "export DIR", Short: "Write the ledger as a C2SP tlog-tiles tree, for mirrors and other tools",
		Long: `export follows the ledger to its end and writes it into a folder as C2SP tlog-tiles:
checkpoint, tile/entries/… and tile/<level>/…, as clients of such logs read them. The
folder is made if it is not there; one with an older export of the same ledger is
brought up to date.`,
		Example: "  packseal ledger export mirror",
	}
	path := configFlag(c)
	c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%w: ledger export takes one folder", errUsage)
		}
		_, l, err := loadLedger(c, *path)
		if err == nil {
			err = exportable(args[0], l.Origin)
		}
		if err == nil {
			err = ledger.Patiently(c.Context(), l.Commit)
		}
		if err != nil {
			return err
		}
		return exportLedger(c.Context(), c.OutOrStdout(), l, args[0])
	}
	return c
}

// exportable refuses a folder that holds something else than an export of that ledger.
func exportable(dir, origin string) error {
	there, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(there) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	checkpoint, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil || !strings.HasPrefix(string(checkpoint), origin+"\n") {
		return fault.New(fault.Conflict, "%s is not empty, and holds no export of the ledger %s", dir, origin).WithHint("name another folder")
	}
	return nil
}

// exportLedger writes the tree, and prints its line.
func exportLedger(ctx context.Context, out io.Writer, l *ledger.Ledger, dir string) error {
	err := l.Export(ctx, func(path string, data []byte) error {
		name := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		old, err := os.ReadFile(name)
		switch {
		case errors.Is(err, fs.ErrNotExist) || path == "checkpoint":
			return atomicfile.Write(name, data, 0o644)
		case err == nil && !bytes.Equal(old, data):
			return fault.New(fault.Conflict, "%s is not what the ledger has, and tiles never change", name).WithHint("export into another folder, and compare the checkpoints of both")
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, l.Show().Line)
	return err
}
