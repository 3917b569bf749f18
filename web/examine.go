package web

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"

	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
)

// Examine looks at the page's address live, for packseal doctor: whether the
// daemon answers there, or whether it could be had. configFile is as for
// [Server.Run].
func Examine(ctx context.Context, listen, configFile string) (results []diag.Result) {
	if configFile != "" {
		results = append(results, examineConfig(configFile))
	}
	guarded := configFile != ""
	schemes := []string{"http"}
	if guarded { // whether it turns TLS on is known to the library alone
		schemes = []string{"https", "http"}
	}
	for _, scheme := range schemes {
		if r, answered := ask(ctx, scheme, listen, guarded); answered {
			return append(results, r)
		}
	}
	return append(results, bind(ctx, listen, guarded))
}

// quoted matches what the library's messages quote of the file, which has
// passwords in it.
var quoted = regexp.MustCompile("`[^`]*`|\"[^\"]*\"")

// examineConfig reads the web configuration file with all that it names.
func examineConfig(file string) diag.Result {
	if err := toolkit.Validate(file); err != nil {
		err := fault.New(fault.Request, "%s: %s", file, quoted.ReplaceAllString(err.Error(), "…"))
		return diag.Fail("web-config", err.WithHint("see that web.config_file is a web configuration file of the Prometheus exporters', and that its keys and certificates can be read"))
	}
	return diag.OK("web-config", "%s is good, with what it names", file)
}

// ask asks what listens at the address whether it is ready. Nothing is told to
// it, so that it need not prove who it is. Guarded says that the daemon may ask
// for a password.
func ask(ctx context.Context, scheme, listen string, guarded bool) (r diag.Result, answered bool) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "0" {
		return r, false
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+net.JoinHostPort(host, port)+"/-/ready", nil)
	if err != nil {
		return r, false
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // as above
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return r, false
	}
	defer response.Body.Close() //nolint:errcheck // read only
	body, _ := io.ReadAll(io.LimitReader(response.Body, 500))
	line, _, _ := strings.Cut(string(body), "\n")
	switch code := response.StatusCode; {
	case code == http.StatusOK && line == "ready":
		return diag.OK("page", "the daemon answers at %s, and is ready", listen), true
	case code == http.StatusServiceUnavailable && strings.HasPrefix(line, "not ready"):
		return diag.Fail("page", fault.New(fault.NotReady, "the daemon answers at %s: %s", listen, line)), true
	case code == http.StatusUnauthorized && guarded:
		return diag.OK("page", "what answers at %s wants a password, as web.config_file may have it", listen), true
	case code == http.StatusBadRequest && scheme == "http":
		return r, false // as a TLS server answers
	}
	return diag.Fail("page", fault.New(fault.Unavailable, "something else than packseal answers at %s (%d)", listen, response.StatusCode).
		WithHint("web.listen sets another address")), true
}

// bind has the address for an instant. Guarded says that the daemon may be
// there and may answer nobody without a certificate.
func bind(ctx context.Context, listen string, guarded bool) diag.Result {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	switch {
	case guarded && errors.Is(err, syscall.EADDRINUSE):
		return diag.Skip("page", "what is at %s takes no request of doctor's; by web.config_file it may be the daemon", listen)
	case err != nil:
		return diag.Fail("page", fault.New(fault.Unavailable, "opening the page's port: %w", err).WithHint("web.listen sets another address"))
	}
	l.Close()
	return diag.OK("page", "no daemon answers at %s, which is free", listen)
}
