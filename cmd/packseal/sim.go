package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

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
		Example: "  packseal sim --listen 127.0.0.1:9798",
	}
	listen := c.Flags().String("listen", "127.0.0.1:9798", "the address to listen on")
	c.RunE = func(c *cobra.Command, _ []string) error {
		l, err := net.Listen("tcp", *listen)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.ErrOrStderr(), "simulated Config API on http://%s, key %s, secret %s; packs:\n", l.Addr(), simKeyID, simKeySecret)
		for _, p := range sim.Demo() {
			fmt.Fprintf(c.OutOrStdout(), "%s\t%s\n", p.Key(), p.Name)
		}
		return serveSim(c.Context(), l)
	}
	return c
}

// serveSim serves the demo's packs until ctx ends.
func serveSim(ctx context.Context, l net.Listener) error {
	handler, err := sim.New(sim.Options{AccessKeyID: simKeyID, AccessKeySecret: simKeySecret, Packs: sim.Demo()})
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
