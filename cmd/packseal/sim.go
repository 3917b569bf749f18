package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/config"
	"packseal.example/fetcher/cloudconfig/sim"
)

// The key that the simulator takes. It opens nothing else.
const (
	simKeyID     = "LTAI5tSimulatorKeyOnly"
	simKeySecret = "simulator-secret-opens-nothing-else"
)

// newSim makes the verb that serves the simulator by itself, for trying other
// clients of the API, or a configuration, against it. The names of its packs
// go to standard output, to be taken up by a script.
func newSim() *cobra.Command {
	c := &cobra.Command{
		Use: "sim", Short: "Run a simulated Config API and report store", Args: noArgs,
		Long: `sim serves the Config API and the store of its reports until Ctrl-C, with the packs
of the demo, or with --packs so many others. --faults names how they misbehave, in
turn: all, ` + strings.Join(sim.Faults(), ", ") + `.
Faults of rules, templates and inventories are of such reports in place of packs.
--calls-per-minute throttles calls by name, as the quotas of an account do. It logs
its address, the key that it takes, and each request.`,
		Example: "  packseal sim --listen 127.0.0.1:9798\n  packseal sim --packs 150 --faults good,throttled,cut --latency 200ms\n  packseal sim --faults all --calls-per-minute GenerateCompliancePackReport=20",
	}
	listen := c.Flags().String("listen", "127.0.0.1:9798", "the address to listen on")
	packs := c.Flags().Int("packs", 0, "serve so many packs instead of the demo's")
	faults := c.Flags().StringSlice("faults", nil, "how packs misbehave, in turn")
	var latency time.Duration
	durationFlag(c, &latency, "latency", 0, "how long each response takes")
	quotas := c.Flags().StringToInt("calls-per-minute", nil, "how many calls of a name are permitted a minute: `NAME=N`")
	c.RegisterFlagCompletionFunc("faults", cobra.FixedCompletions(append(sim.Faults(), "all"), cobra.ShellCompDirectiveNoFileComp)) //nolint:errcheck // the flag is there
	c.RunE = func(c *cobra.Command, _ []string) error {
		o := sim.Options{Packs: demoPacks(), Latency: latency, Quotas: make(map[string]sim.Quota), Logger: newLogger(config.Log{}, c.ErrOrStderr())}
		for call, n := range *quotas {
			o.Quotas[call] = sim.Quota{Calls: n, Period: time.Minute}
		}
		if *packs != 0 || len(*faults) > 0 {
			if *packs < 0 {
				return fmt.Errorf("%w: --packs takes a number of packs", errUsage)
			}
			var err error
			if o.Packs, err = sim.Fleet(*packs, *faults); err != nil {
				return fmt.Errorf("%w: --faults: %w", errUsage, err)
			}
		}
		l, err := net.Listen("tcp", *listen)
		if err != nil {
			return err
		}
		o.Logger.Info("simulator served", "url", "http://"+l.Addr().String(), "access_key_id", simKeyID, "access_key_secret", simKeySecret)
		for _, p := range o.Packs {
			fmt.Fprintf(c.OutOrStdout(), "%s\t%s\n", p.Key(), p.Name)
		}
		return serveSim(c.Context(), l, o)
	}
	return c
}

// demoPacks are the packs of the demo.
func demoPacks() []sim.Pack { return slices.Concat(sim.Demo(), sim.DemoKinds(), sim.DemoFound()) }

// serveSim serves the simulator until ctx ends.
func serveSim(ctx context.Context, l net.Listener, o sim.Options) error {
	o.AccessKeyID, o.AccessKeySecret = simKeyID, simKeySecret
	handler, err := sim.New(o)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); ctx.Err() == nil {
		return err
	}
	return nil
}
