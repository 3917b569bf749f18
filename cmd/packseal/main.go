// Command packseal keeps every compliance report of Alibaba Cloud Config: it
// requests each on schedule, downloads it, checks it, and seals it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"packseal.example/config"
	"packseal.example/internal/fault"
	"packseal.example/internal/journald"
)

// The exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2 // wrong usage or configuration
	exitDamage      = 3 // verification found damage
	exitTransient   = 75
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program but for its signals; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	code := exitCode(ctx, err)
	if journald.Is(stderr) {
		stderr = journald.Errors(stderr)
	}
	if _, ok := errors.AsType[*config.Error](err); ok {
		fmt.Fprintln(stderr, err)
		return code
	}
	if !errors.Is(err, errSilent) {
		printError(stderr, flagGroup(err))
	}
	return code
}

// flagGroups matches cobra's errors about flags that exclude or need one another,
// with the flags and, of those that need one another, what is missing.
var flagGroups = regexp.MustCompile(`^if any flags in the group \[([^]]+)\] are set (?:none|they must all be set; missing \[([^]]+)\])`)

// flagGroup puts such an error into plain words.
func flagGroup(err error) error {
	m := flagGroups.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	flags := "--" + strings.ReplaceAll(m[1], " ", " and --")
	if m[2] != "" {
		return fmt.Errorf("%w: %s go together; --%s is missing", errUsage, flags, m[2])
	}
	return fmt.Errorf("%w: %s exclude each other", errUsage, flags)
}

// printError prints an error and its hint.
func printError(stderr io.Writer, err error) {
	hint := fault.Hint(err)
	if hint != "" {
		hint = "hint: " + hint + "\n"
	}
	fmt.Fprintf(stderr, "packseal: %v\n%s", err, hint)
}

// Errors that stand for an exit code.
var (
	errSilent  = errors.New("printed already")
	errDamaged = errors.New("damage was found")
	errDamage  = fmt.Errorf("%w: %w", errDamaged, errSilent) // and was printed
	errUsage   = errors.New("wrong usage")
)

// exitCode is the one place that turns an error into an exit code. The order
// matters: what a person has to fix comes before what is transient, and an error
// from an interrupted run means nothing else.
func exitCode(ctx context.Context, err error) int {
	_, badConfig := errors.AsType[*config.Error](err)
	switch {
	case badConfig, errors.Is(err, errUsage), strings.HasPrefix(err.Error(), "unknown command"), strings.HasPrefix(err.Error(), "if any flags in the group"):
		return exitUsage
	case errors.Is(err, errDamaged):
		return exitDamage
	case ctx.Err() != nil:
		return exitInterrupted
	case fault.Transient(err), fault.Of(err) == fault.NotRestored, fault.Of(err) == fault.Deadline: // seal's deadline counts from its start
		return exitTransient
	}
	return exitFailed
}
