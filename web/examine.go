package web

import (
	"context"
	"crypto/tls"
	"errors"
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

// Examine checks the page's address live, for packseal doctor: whether the daemon
// answers there or, if nothing does, whether the address is free. configFile is
// as for [Server.Run].
func Examine(ctx context.Context, listen, configFile string) (results []diag.Result) {
	if configFile != "" {
		results = append(results, examineConfig(configFile))
	}
	protected := configFile != ""
	for _, address := range Local(listen, configFile) {
		if r, answered := examineDaemon(ctx, address, listen, protected); answered {
			return append(results, r)
		}
	}
	return append(results, examineAddress(ctx, listen, protected))
}

// quoted matches what the library's messages quote from the file, which holds
// passwords.
var quoted = regexp.MustCompile("`[^`]*`|\"[^\"]*\"")

// examineConfig checks the web configuration file and the files that it names.
func examineConfig(file string) diag.Result {
	if err := toolkit.Validate(file); err != nil {
		err := fault.New(fault.Request, "%s: %s", file, quoted.ReplaceAllString(err.Error(), "…"))
		return diag.Fail("web-config", err.WithHint("web.config_file must be a web configuration file of Prometheus exporters, and its keys and certificates readable"))
	}
	return diag.OK("web-config", "%s and the files that it names are valid", file)
}

// examineDaemon asks whatever answers at the address whether it is ready. No
// secret is sent, so its certificate does not matter. protected reports whether
// the daemon may ask for a password.
func examineDaemon(ctx context.Context, address, listen string, protected bool) (r diag.Result, answered bool) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // as above
	h, err := AskHealth(ctx, transport, address+"/-/ready", nil)
	switch {
	case err != nil:
		return r, false
	case h.Code == http.StatusOK && h.Line == "ready":
		return diag.OK("page", "the daemon at %s is ready", listen), true
	case h.Code == http.StatusServiceUnavailable && strings.HasPrefix(h.Line, "not ready"):
		return diag.Fail("page", fault.New(fault.NotReady, "the daemon at %s is %s", listen, h.Line).WithHint("%s", h.Hint)), true
	case h.Code == http.StatusUnauthorized && protected:
		return diag.OK("page", "the server at %s asks for a password, as web.config_file may require", listen), true
	case h.Code == http.StatusBadRequest && strings.HasPrefix(address, "http:"):
		return r, false // the response of a TLS server
	}
	return diag.Fail("page", fault.New(fault.Unavailable, "another program than packseal answers at %s (%d)", listen, h.Code).
		WithHint("set another address with web.listen")), true
}

// examineAddress listens at the address for a moment. protected reports whether
// the daemon may be there and refuse clients without a certificate.
func examineAddress(ctx context.Context, listen string, protected bool) diag.Result {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	switch {
	case protected && errors.Is(err, syscall.EADDRINUSE):
		return diag.Skip("page", "the server at %s refuses doctor's requests; with this web.config_file it may be the daemon", listen)
	case err != nil:
		return diag.Fail("page", fault.New(fault.Unavailable, "listening at the page's address: %w", err).WithHint("set another address with web.listen"))
	}
	l.Close()
	return diag.OK("page", "no daemon is running at %s, and the address is free", listen)
}
