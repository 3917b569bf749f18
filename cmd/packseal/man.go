//go:build man

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"packseal.example/config"
)

// releaseVerbs are the verbs that only the build with -tags man has. The
// daemon's binary is spared the renderer of manual pages.
func releaseVerbs() []*cobra.Command { return []*cobra.Command{newMan()} }

func newMan() *cobra.Command {
	c := &cobra.Command{
		Use: "man", Short: "Write a manual page for each verb", Args: noArgs, Hidden: true,
		Example: "  packseal man --dir man --date 2026-01-01",
	}
	dir := c.Flags().String("dir", ".", "the folder to write to")
	date := c.Flags().String("date", "", "the date on the pages")
	c.RunE = func(c *cobra.Command, _ []string) error {
		at, err := time.Parse(time.DateOnly, *date)
		if err != nil {
			return fmt.Errorf("%w: --date: %w", errUsage, err)
		}
		root := c.Root()
		more := sections(root)
		escape(root)
		return writePages(root, doc.GenManHeader{Section: "1", Date: &at, Source: "packseal " + version, Manual: "packseal"}, more, *dir)
	}
	return c
}

// writePages writes the pages of c and of every verb below it, with more
// sections in that of the program.
func writePages(c *cobra.Command, header doc.GenManHeader, more, dir string) error {
	var b bytes.Buffer
	own := header // GenMan writes the verb's title into it
	if err := doc.GenMan(c, &own, &b); err != nil {
		return err
	}
	page := b.Bytes()
	if !c.HasParent() {
		before, after, ok := bytes.Cut(page, []byte(".SH SEE ALSO\n"))
		if !ok {
			return fmt.Errorf("%s: its page has no place for more sections", c.Name())
		}
		page = fmt.Appendf(nil, "%s%s.SH SEE ALSO\n%s", before, more, after)
	}
	if err := os.WriteFile(filepath.Join(dir, pageName(c)+".1"), page, 0o644); err != nil {
		return err
	}
	for _, verb := range documented(c) {
		if err := writePages(verb, header, more, dir); err != nil {
			return err
		}
	}
	return nil
}

// pageName is the name of a verb's page: packseal-seal.
func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// documented are the verbs of c that have pages.
func documented(c *cobra.Command) (verbs []*cobra.Command) {
	for _, verb := range c.Commands() {
		if verb.IsAvailableCommand() && !verb.IsAdditionalHelpTopicCommand() {
			verbs = append(verbs, verb)
		}
	}
	return verbs
}

// sections are what packseal(1) says beyond cobra's own: what each verb does,
// what the exit codes mean, and which files there are.
func sections(root *cobra.Command) string {
	var b strings.Builder
	list := func(title string, items ...[2]string) {
		fmt.Fprintf(&b, ".SH %s\n", title)
		for _, item := range items {
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fP\n%s\n", strings.ReplaceAll(item[0], "-", `\-`), strings.ReplaceAll(item[1], `\`, `\e`))
		}
	}
	var verbs [][2]string
	for _, verb := range documented(root) {
		verbs = append(verbs, [2]string{pageName(verb) + "(1)", verb.Short})
	}
	list("COMMANDS", verbs...)
	code := func(n int, meaning string) [2]string { return [2]string{fmt.Sprint(n), meaning} }
	list("EXIT STATUS",
		code(0, "Done."),
		code(exitFailed, "Failed."),
		code(exitUsage, "Wrong usage or configuration."),
		code(exitDamage, "Verification found damage."),
		code(exitTransient, "Failed in a way that may pass: try again."),
		code(exitInterrupted, "Interrupted."))
	list("ENVIRONMENT",
		[2]string{config.Variable, "The configuration, where --config names none. Without both it is looked for in " + config.Places() + "."})
	list("FILES",
		[2]string{"/etc/packseal/packseal.yaml", "The configuration. It holds no secrets: it names the files that do."},
		[2]string{"/etc/packseal/credentials/", "The secrets that the service is given, one a file, for root alone."},
		[2]string{"/var/lib/packseal/", "What the daemon is working on, and the archive where it is kept on this machine."})
	return b.String()
}

// escape keeps what the verbs say of themselves from being read as Markdown,
// which loses <source> and takes an underscore for emphasis.
func escape(c *cobra.Command) {
	r := strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "<", `\<`, ">", `\>`, "[", `\[`, "]", `\]`, "#", `\#`)
	if c.Name() != "completion" && (!c.HasParent() || c.Parent().Name() != "completion") { // cobra writes these in Markdown
		c.Short, c.Long = r.Replace(c.Short), r.Replace(c.Long)
	}
	c.Flags().VisitAll(func(f *pflag.Flag) { f.Usage = r.Replace(f.Usage) })
	c.DisableAutoGenTag = true
	for _, verb := range c.Commands() {
		escape(verb)
	}
}
