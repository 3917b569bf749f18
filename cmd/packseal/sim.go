package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
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
its address, the key that it takes, and each request.

With --accounts, the account manages a Resource Directory of so many member accounts,
each with a role packseal and two packs, and there is an STS that the role is assumed
at. Clients call STS by HTTPS: its certificate is written to the file --sts-ca names,
for SSL_CERT_FILE. docs/discovery.md has a configuration to try.`,
		Example: "  packseal sim --listen 127.0.0.1:9798\n  packseal sim --packs 150 --faults good,throttled,cut --latency 200ms\n  packseal sim --faults all --calls-per-minute GenerateCompliancePackReport=20\n  packseal sim --accounts 3",
	}
	listen := c.Flags().String("listen", "127.0.0.1:9798", "the address to listen on")
	packs := c.Flags().Int("packs", 0, "serve so many packs instead of the demo's")
	faults := c.Flags().StringSlice("faults", nil, "how packs misbehave, in turn")
	var members members
	members.flags(c)
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
		listeners := []net.Listener{l}
		if members.number != 0 {
			sts, err := members.listen(&o)
			if err != nil {
				return errors.Join(err, l.Close())
			}
			listeners = append(listeners, sts)
			o.Logger.Info("simulated STS served", "sts_endpoint", sts.Addr().String(), "ca_file", members.ca)
		}
		o.Logger.Info("simulator served", "url", "http://"+l.Addr().String(), "access_key_id", simKeyID, "access_key_secret", simKeySecret)
		for _, p := range o.Packs {
			fmt.Fprintf(c.OutOrStdout(), "%s\t%s\n", p.Key(), p.Name)
		}
		return serveSim(c.Context(), o, listeners...)
	}
	return c
}

// members are the member accounts that are served, and their STS.
type members struct {
	number      int
	listens, ca string
}

func (m *members) flags(c *cobra.Command) {
	c.Flags().IntVar(&m.number, "accounts", 0, "serve so many member accounts of a Resource Directory as well, and an STS")
	c.Flags().StringVar(&m.listens, "sts-listen", "127.0.0.1:9799", "the address that the STS listens on")
	c.Flags().StringVar(&m.ca, "sts-ca", "packseal-sim.pem", "the file to write the certificate of the STS to")
}

// listen adds the accounts, and returns a listener for their STS.
func (m *members) listen(o *sim.Options) (net.Listener, error) {
	if m.number < 0 {
		return nil, fmt.Errorf("%w: --accounts takes a number of accounts", errUsage)
	}
	accounts, packs := sim.Members(m.number)
	o.Accounts, o.Packs = accounts, slices.Concat(o.Packs, packs)
	l, err := net.Listen("tcp", m.listens)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	certificate, ca, err := sim.Certificate(host)
	if err == nil {
		err = os.WriteFile(m.ca, ca, 0o644)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}}), nil
}

// demoPacks are the packs of the demo.
func demoPacks() []sim.Pack { return slices.Concat(sim.Demo(), sim.DemoKinds(), sim.DemoFound()) }

// serveSim serves the simulator until ctx ends.
func serveSim(ctx context.Context, o sim.Options, listeners ...net.Listener) error {
	o.AccessKeyID, o.AccessKeySecret = simKeyID, simKeySecret
	handler, err := sim.New(o)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { ended <- server.Serve(l) }()
	}
	if err := <-ended; ctx.Err() == nil {
		return errors.Join(err, server.Close())
	}
	return nil
}
