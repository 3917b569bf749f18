package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/internal/fault"
	"packseal.example/web"
)

func newHealth() *cobra.Command {
	c := &cobra.Command{
		Use: "health", Short: "Ask a running daemon whether it is alive", Args: noArgs,
		Long: `health asks the page of a running daemon whether it is alive, or with --ready
whether it is ready. It exits with 0 or 1, so that a container without a shell can
have a health check. A page that requires a password is alive; whether it is ready
stays unknown.`,
		Example: "  packseal health\n  packseal health --ready --url https://packseal.example.com\n  packseal health --insecure --url https://127.0.0.1:9797",
	}
	address := c.Flags().String("url", "http://127.0.0.1:9797", "where the page is")
	ready := c.Flags().Bool("ready", false, "ask whether it does its work")
	insecure := c.Flags().Bool("insecure", false, "take any certificate: one for the name that others know is wrong on loopback")
	patience := c.Flags().Duration("timeout", 5*time.Second, "how long to wait for the answer")
	c.RunE = func(c *cobra.Command, _ []string) error {
		u, err := url.Parse(*address)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
			return fmt.Errorf("%w: --url takes http://host:port or https://host:port, without a user", errUsage)
		}
		path := "/-/healthy"
		if *ready {
			path = "/-/ready"
		}
		ctx, cancel := context.WithTimeout(c.Context(), *patience)
		defer cancel()
		answer, err := ask(ctx, u.JoinPath(path), *insecure)
		if err == nil {
			_, err = fmt.Fprintln(c.OutOrStdout(), answer)
		}
		return err
	}
	return c
}

// ask returns the first line of a good answer. All else is unhealthy, also
// what would pass by itself: a probe asks for now, and its caller tries again.
func ask(ctx context.Context, u *url.URL, insecure bool) (string, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: insecure} //nolint:gosec // it was asked for, and nothing secret is sent
	h, err := web.AskHealth(ctx, transport, u.String())
	switch {
	case err != nil:
		return "", fault.New(fault.Internal, "asking for health: %w", err).WithHint("is packseal running, and web.listen the address that --url names?")
	case h.Code == http.StatusUnauthorized && strings.HasSuffix(u.Path, "-/healthy"):
		return "healthy, behind a password", nil
	case h.Code != http.StatusOK:
		return "", fault.New(fault.Internal, "%s answers %d %s: %.200s", u, h.Code, http.StatusText(h.Code), h.Line).WithHint("%s", h.Hint)
	}
	return h.Line, nil
}
