package otlp

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"packseal.example/internal/fault"
)

// environment reads the standard variables.
type environment struct{ logger *slog.Logger }

// get returns the value of a variable; an empty one counts as unset.
func get(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// names returns both names of an exporter setting. The first, which applies to
// traces only, has precedence.
func names(setting string) []string {
	return []string{"OTEL_EXPORTER_OTLP_TRACES_" + setting, "OTEL_EXPORTER_OTLP_" + setting}
}

// setting returns the value of an exporter setting.
func (environment) setting(setting string) string {
	both := names(setting)
	return cmp.Or(get(both[0]), get(both[1]))
}

// enabled reports whether tracing is on.
func (e environment) enabled(ctx context.Context) bool {
	if strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	e.ignore(ctx, rule{"OTEL_TRACES_EXPORTER", oneOf("otlp", "none"), "otlp or none"})
	switch get("OTEL_TRACES_EXPORTER") {
	case "otlp":
		return true
	case "none":
		return false
	}
	return e.setting("ENDPOINT") != ""
}

// check removes invalid variables that can be ignored, with a warning, and
// returns what is wrong with those that cannot.
func (e environment) check(ctx context.Context) error {
	for _, r := range rules() {
		e.ignore(ctx, r)
	}
	var errs []error
	for _, name := range names("ENDPOINT") {
		errs = append(errs, refuse(name, endpointFault(get(name)), "write http:// or https://, host and port of the collector"))
	}
	for _, name := range names("HEADERS") {
		_, err := headers(get(name))
		errs = append(errs, refuse(name, err, "write key=value,key=value with values percent-encoded"))
	}
	for _, name := range names("CERTIFICATE") {
		errs = append(errs, refuse(name, authorityFault(get(name)), "name a PEM file with the certificates to trust"))
	}
	for i, name := range names("CLIENT_CERTIFICATE") {
		errs = append(errs, refuse(name, pairFault(get(name), get(names("CLIENT_KEY")[i])), "name a PEM file with the certificate, and one with its key"))
	}
	return errors.Join(errs...)
}

// refuse returns the error for a variable that cannot be ignored.
func refuse(name string, err error, hint string) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Request, "%s: %w", name, err).WithHint("%s, or unset the variable; OTEL_SDK_DISABLED=true turns tracing off", hint)
}

// endpointFault returns what is wrong with an endpoint, without quoting it: it
// may hold a password.
func endpointFault(v string) error {
	if v == "" {
		return nil
	}
	u, err := url.Parse(v)
	switch {
	case err != nil:
		return errors.New("not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the URL starts with neither http:// nor https://")
	case u.Hostname() == "":
		return errors.New("the URL has no host")
	case u.User != nil:
		return errors.New("the URL has a user name; credentials go in OTEL_EXPORTER_OTLP_HEADERS")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("the URL has a query or a fragment")
	}
	return nil
}

// headers parses key=value,… and returns the values.
func headers(v string) (values []string, err error) {
	if v == "" {
		return nil, nil
	}
	for i, pair := range strings.Split(v, ",") {
		key, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(value)
		value = strings.TrimSpace(value)
		if !ok || err != nil || !httpguts.ValidHeaderFieldName(strings.TrimSpace(key)) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, fmt.Errorf("entry %d is not a header", i+1)
		}
		values = append(values, value)
	}
	return values, nil
}

// authorityFault returns what is wrong with a CA file.
func authorityFault(file string) error {
	if file == "" {
		return nil
	}
	pem, err := os.ReadFile(file)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		err = fmt.Errorf("%s contains no certificate", file)
	}
	return err
}

// pairFault returns what is wrong with a client certificate and its key.
func pairFault(certificate, key string) error {
	switch {
	case certificate == "" && key == "":
		return nil
	case certificate == "" || key == "":
		return errors.New("certificate and key must be set together")
	}
	_, err := tls.LoadX509KeyPair(certificate, key)
	return err
}

// secrets returns the strings that must not be logged, longest first.
func (environment) secrets() (all []string) {
	for _, name := range names("HEADERS") {
		values, _ := headers(get(name)) // validated by check
		for _, v := range values {
			all = append(all, v, strings.TrimSpace(v[strings.LastIndex(v, " ")+1:])) // also the token after "Bearer"
		}
	}
	all = slices.DeleteFunc(all, func(v string) bool { return len(v) < 4 }) // such as the number of a tenant, not a secret
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return slices.Compact(all)
}
