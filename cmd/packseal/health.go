package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/config"
	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/web"
)

// healthCheck is one run of health.
type healthCheck struct {
	config, url    string
	ready          bool
	insecure       bool
	user, password string
	patience       time.Duration
}

func newHealth() *cobra.Command {
	var h healthCheck
	c := &cobra.Command{
		Use: "health", Short: "Ask a running daemon whether it is alive", Args: noArgs,
		Long: `health asks the page of a running daemon whether it is alive, or with --ready
whether it is ready. It exits with 0 or 1, so that a container without a shell can
have a health check.

Without --url it asks where the configuration says that the page is (web.listen),
on this machine; without a configuration, http://127.0.0.1:9797. Of the file it
reads web alone: what is wrong elsewhere in it does not make a daemon unhealthy. A
page that requires a password is alive; whether it is ready takes --user and
--password-file.`,
		Example: "  packseal health\n  packseal health --ready --user probe --password-file /run/secrets/page\n  packseal health --ready --url https://packseal.example.com\n  packseal health --insecure --url https://127.0.0.1:9797",
	}
	path := configFlag(c)
	c.Flags().StringVar(&h.url, "url", "", "where the page is; default: as the configuration says")
	c.Flags().BoolVar(&h.ready, "ready", false, "ask whether it does its work")
	c.Flags().BoolVar(&h.insecure, "insecure", false, "take any certificate: one for the name that others know is wrong on loopback")
	c.Flags().StringVar(&h.user, "user", "", "the user to ask as")
	c.Flags().StringVar(&h.password, "password-file", "", "the file with that user's password")
	durationFlag(c, &h.patience, "timeout", 5*time.Second, "how long to wait for the answer")
	c.MarkFlagsRequiredTogether("user", "password-file")
	c.MarkFlagsMutuallyExclusive("url", "config")
	c.RunE = func(c *cobra.Command, _ []string) error {
		h.config = *path
		pages, err := h.pages()
		if err != nil {
			return err
		}
		login, err := h.login()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(c.Context(), h.patience)
		defer cancel()
		answer, err := h.ask(ctx, pages, login)
		if err == nil {
			_, err = fmt.Fprintln(c.OutOrStdout(), answer)
		}
		return err
	}
	return c
}

// pages returns where the page may be. On this machine the certificate, which is
// for the name that others know, does not matter.
func (h *healthCheck) pages() (pages []*url.URL, err error) {
	addresses := []string{h.url}
	if h.url == "" {
		h.insecure = true
		if addresses, err = h.configured(); err != nil {
			return nil, err
		}
	}
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
			return nil, fmt.Errorf("%w: --url takes http://host:port or https://host:port, without a user", errUsage)
		}
		if h.user != "" && h.url != "" && (h.insecure || u.Scheme == "http") && !loopback(u.Hostname()) {
			return nil, fmt.Errorf("%w: a password is sent to other machines over https alone, and to a certificate that is checked", errUsage)
		}
		path := "/-/healthy"
		if h.ready {
			path = "/-/ready"
		}
		pages = append(pages, u.JoinPath(path))
	}
	return pages, nil
}

// configured returns where the configuration has the page.
func (h *healthCheck) configured() ([]string, error) {
	path, err := config.Find(h.config)
	if err != nil {
		return web.Local(config.Default().Web.Listen, ""), nil // a container may have it elsewhere
	}
	w, err := config.LoadWeb(path)
	if err != nil {
		return nil, err
	}
	addresses := web.Local(w.Listen, w.ConfigFile)
	if len(addresses) == 0 {
		return nil, fmt.Errorf("%w: %s does not say where the page is: web.listen is %q; name it with --url", errUsage, path, w.Listen)
	}
	return addresses, nil
}

// login returns the user to ask as, or nil.
func (h *healthCheck) login() (*url.Userinfo, error) {
	if h.user == "" {
		return nil, nil
	}
	password, err := secret.File(h.password).Read()
	if err != nil {
		return nil, fmt.Errorf("%w: --password-file: %w", errUsage, err)
	}
	return url.UserPassword(h.user, password.Reveal()), nil
}

// ask returns the first line of a good answer of a page.
func (h *healthCheck) ask(ctx context.Context, pages []*url.URL, login *url.Userinfo) (answer string, err error) {
	for _, u := range pages {
		var other bool
		if answer, other, err = h.askOne(ctx, u, login); !other {
			return answer, err
		}
	}
	return answer, err
}

// askOne asks one page. All but a good answer is unhealthy, also what would pass
// by itself: a probe asks for now, and its caller tries again. other says that the
// page may be at another address.
func (h *healthCheck) askOne(ctx context.Context, u *url.URL, login *url.Userinfo) (line string, other bool, err error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: h.insecure} //nolint:gosec // it was asked for, or is this machine
	a, err := web.AskHealth(ctx, transport, u.String(), login)
	switch {
	case err != nil:
		return "", true, fault.New(fault.Internal, "asking for health: %w", err).WithHint("is packseal running, and %s its page (web.listen)?", u.Host)
	case a.Code == http.StatusUnauthorized && login != nil:
		return "", false, fault.New(fault.Credentials, "%s refuses user %s with that password", u.Host, h.user)
	case a.Code == http.StatusUnauthorized && strings.HasSuffix(u.Path, "-/healthy"):
		return "healthy, behind a password", false, nil
	case a.Code != http.StatusOK:
		hint := a.Hint
		if a.Code == http.StatusUnauthorized {
			hint = cmp.Or(hint, "--user and --password-file give a password")
		}
		return "", a.Code == http.StatusBadRequest, fault.New(fault.Internal, "%s answers %d %s: %.200s", u, a.Code, http.StatusText(a.Code), a.Line).WithHint("%s", hint)
	}
	return a.Line, false, nil
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
