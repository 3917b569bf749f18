package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"packseal.example/config"
	"packseal.example/internal/fault"
	"packseal.example/notify"
)

func newNotify() *cobra.Command {
	c := &cobra.Command{
		Use: "notify", Short: "Test the notification channels",
		Example: "  packseal notify test",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return fmt.Errorf("%w: say what: notify test", errUsage) },
	}
	c.AddCommand(newNotifyTest())
	return c
}

// tested is the result of one channel's test, as notify test --json prints it.
type tested struct {
	Channel string       `json:"channel"`
	Sent    bool         `json:"sent"`
	Error   string       `json:"error,omitempty"`
	Reason  fault.Reason `json:"error_reason,omitempty"`
	Hint    string       `json:"hint,omitempty"`
	err     error
}

func newNotifyTest() *cobra.Command {
	c := &cobra.Command{
		Use: "test [CHANNEL…]", Short: "Send a test message to channels",
		Long: `test sends one message, marked as a test, to each channel named (default: all),
in one attempt. A ping channel is pinged as if all were well.`,
		Example: "  packseal notify test --config packseal.yaml\n  packseal notify test compliance --json",
	}
	path, asJSON := configFlag(c), jsonFlag(c)
	c.ValidArgsFunction = completeChannels
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := load(*path, c.ErrOrStderr())
		if err != nil {
			return err
		}
		entries, err := cfg.Channels(notify.Env{UserAgent: tool()})
		if err != nil {
			return err
		}
		if entries, err = chooseChannels(cfg, entries, args); err != nil {
			return err
		}
		var errs []error
		for _, t := range testAll(c.Context(), entries) {
			if *asJSON {
				err = printJSON(c.OutOrStdout(), t)
			} else {
				err = t.print(c.OutOrStdout())
			}
			if err != nil {
				return err
			}
			errs = append(errs, t.err)
		}
		return firstLasting(errs)
	}
	return c
}

// chooseChannels returns the channels named; all, when none is named.
func chooseChannels(cfg *config.Config, entries []notify.Entry, names []string) ([]notify.Entry, error) {
	for _, n := range cfg.Notify {
		if n.Enabled != nil && !*n.Enabled && slices.Contains(names, n.Name) {
			return nil, fmt.Errorf("%w: the channel %q is disabled: enabled: false", errUsage, n.Name)
		}
	}
	if len(entries) == 0 {
		return nil, fault.New(fault.Request, "%w: the configuration has no channel under notify", errUsage).WithHint("packseal init prints examples")
	}
	if len(names) == 0 {
		return entries, nil
	}
	var chosen []notify.Entry
	for _, name := range names {
		i := slices.IndexFunc(entries, func(e notify.Entry) bool { return e.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("%w: no channel %q in the configuration", errUsage, name)
		}
		chosen = append(chosen, entries[i])
	}
	return chosen, nil
}

// testAll tests channels side by side. The results are in their order.
func testAll(ctx context.Context, entries []notify.Entry) []tested {
	all := make([]tested, len(entries))
	var wg sync.WaitGroup
	for i, e := range entries {
		wg.Go(func() {
			err := notify.Test(ctx, e, instance())
			all[i] = tested{Channel: e.Name, Sent: err == nil, err: err}
			if err != nil {
				all[i].Error, all[i].Reason, all[i].Hint = err.Error(), fault.Of(err), fault.Hint(err)
			}
		})
	}
	wg.Wait()
	return all
}

// print writes the result as a person reads it.
func (t tested) print(w io.Writer) error {
	if t.Sent {
		_, err := fmt.Fprintf(w, "✓ %s\n", t.Channel)
		return err
	}
	hint := ""
	if t.Hint != "" {
		hint = "\n  hint: " + t.Hint
	}
	_, err := fmt.Fprintf(w, "✗ %s: %s%s\n", t.Channel, t.Error, hint)
	return err
}

// firstLasting joins errors that were printed already, a permanent one first: it
// decides the exit code, because a retry won't help.
func firstLasting(errs []error) error {
	slices.SortStableFunc(errs, func(x, y error) int {
		lasting := func(err error) int {
			if err != nil && !fault.Transient(err) {
				return 0
			}
			return 1
		}
		return lasting(x) - lasting(y)
	})
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: %w", errSilent, err)
	}
	return nil
}
