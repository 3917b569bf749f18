package cloudconfig

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"packseal.example/fetcher"
	"packseal.example/internal/secret"
)

var _ fetcher.Opener = (*Options)(nil)

func TestEndpoint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in    string
		allow bool
		want  string // "" = refused
	}{
		{"https://config.cn-shanghai.aliyuncs.com", false, "https://config.cn-shanghai.aliyuncs.com/"},
		{"config.AP-southeast-1.aliyuncs.com", false, "https://config.ap-southeast-1.aliyuncs.com/"},
		{"https://host:8443/", false, "https://host:8443/"},
		{"host:8443", false, "https://host:8443/"},
		{"http://127.0.0.1:9", false, "http://127.0.0.1:9/"},
		{"http://[::1]:9", false, "http://[::1]:9/"},
		{"http://localhost", false, "http://localhost/"},
		{"http://10.0.0.1", false, ""},
		{"http://10.0.0.1", true, "http://10.0.0.1/"},
		{"http://localhost.example.com", false, ""},
		{"", false, ""},
		{"https://", false, ""},
		{"https://a b", false, ""},
		{"https://user:MARKED@host", true, ""},
		{"https://host/path", true, ""},
		{"https://host?q=MARKED", true, ""},
		{"https://host?", true, ""},
		{"https://host#f", true, ""},
		{"ftp://host", true, ""},
		{"https://host:port", true, ""},
		{"https://例え.jp", true, ""},
	} {
		u, err := parseEndpoint(c.in, c.allow)
		switch {
		case err != nil && c.want != "":
			t.Errorf("%s: %v", c.in, err)
		case err == nil && u.String() != c.want:
			t.Errorf("%s is %s, want %q", c.in, u, c.want)
		}
		cleanError(t, err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	good := secretFile(t, "x")
	for name, c := range map[string]struct {
		options Options
		want    []string // paths
	}{
		"least":         {Options{Endpoint: "host"}, nil},
		"files":         {Options{Endpoint: "host", Credentials: &Credentials{AccessKeyIDFile: good, AccessKeySecretFile: good, SecurityTokenFile: good}}, nil},
		"role on files": {Options{Endpoint: "host", Credentials: &Credentials{AccessKeyIDFile: good, AccessKeySecretFile: good, RoleARN: "acs:ram::123:role/reader", RoleSessionName: "me@host"}}, nil},
		"hosts":         {Options{Endpoint: "host", LinkHosts: []string{"*.example.com", "b.example.com", "::1"}}, nil},
		"all at once": {Options{
			RequestsPerSecond: -1, MaxInFlight: -1, RequestTimeout: -1, LinkHosts: []string{"ok", "https://x", "*", "a*b"},
			LinkNetworks: []string{"127.0.0.0/8", "127.0.0.1", "localhost"}, CAFile: "/nonexistent/ca.pem",
			Credentials: &Credentials{
				SecurityTokenFile: "/nonexistent/MARK", Profile: "p", URI: "file:///x", RoleARN: "arn:aws:iam::1:role/x", RoleSessionName: "a b",
			},
		}, []string{
			"endpoint", "requests_per_second", "max_in_flight", "request_timeout", "link_hosts[1]", "link_hosts[2]", "link_hosts[3]",
			"link_networks[1]", "link_networks[2]", "ca_file",
			"credentials", "credentials.access_key_id_file", "credentials.access_key_secret_file", "credentials.security_token_file",
			"credentials.uri", "credentials.role_arn", "credentials.role_session_name",
		}},
		"id alone":     {Options{Endpoint: "host", Credentials: &Credentials{AccessKeyIDFile: good}}, []string{"credentials.access_key_secret_file"}},
		"secret alone": {Options{Endpoint: "host", Credentials: &Credentials{AccessKeySecretFile: good}}, []string{"credentials.access_key_id_file"}},
		"two choices":  {Options{Endpoint: "host", Credentials: &Credentials{ECSRole: "r", URI: "http://localhost/"}}, []string{"credentials"}},
		"no role":      {Options{Endpoint: "host", Credentials: &Credentials{RoleSessionName: "me", ExternalID: "x"}}, []string{"credentials.role_session_name", "credentials.external_id"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, p := range c.options.Check() {
				got = append(got, p.Path)
				if p.Message == "" || p.Hint == "" || p.Warning {
					t.Errorf("problem %+v", p)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options Options
		want    fetcher.Bounds
	}{
		"defaults": {Options{Endpoint: "config.cn-shanghai.aliyuncs.com"}, fetcher.Bounds{RequestsPerSecond: 5, MaxInFlight: 64, LinkHosts: []string{"*.aliyuncs.com"}}},
		"loopback": {Options{Endpoint: "http://127.0.0.1:9"}, fetcher.Bounds{RequestsPerSecond: 5, MaxInFlight: 64, LinkHosts: []string{"*.aliyuncs.com", "127.0.0.1"}}},
		"set":      {Options{Endpoint: "http://[::1]:9", MaxInFlight: 3, LinkHosts: []string{"x"}, LinkNetworks: []string{"n"}, CAFile: "c", AllowHTTP: true}, fetcher.Bounds{RequestsPerSecond: 5, MaxInFlight: 3, LinkHosts: []string{"x"}, LinkNetworks: []string{"n"}, CAFile: "c", AllowHTTP: true}},
	} {
		if diff := cmp.Diff(c.want, c.options.Bounds()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	env := fetcher.Env{Logger: slog.New(slog.DiscardHandler)}
	if s, err := (&Options{Endpoint: "host"}).Open(env); err != nil || s == nil {
		t.Errorf("got %v, %v", s, err)
	}
	if _, err := (&Options{}).Open(env); err == nil {
		t.Error("opened without an endpoint")
	}
	if _, err := (&Options{Endpoint: "host", CAFile: "/nonexistent/ca.pem"}).Open(env); err == nil {
		t.Error("opened without its certificates")
	}
	if _, err := (&Options{Endpoint: "host"}).Open(fetcher.Env{}); err == nil {
		t.Error("opened without a logger")
	}
}

// secretFile writes a file that only this user can read.
func secretFile(t *testing.T, content string) secret.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return secret.File(path)
}

func FuzzEndpoint(f *testing.F) {
	f.Add("https://config.cn-shanghai.aliyuncs.com", false)
	f.Add("http://[::1%25lo]:1", true)
	f.Fuzz(func(t *testing.T, in string, allow bool) {
		u, err := parseEndpoint(in, allow)
		if err != nil {
			return
		}
		if u.Scheme == "http" && !allow && !loopback(u.Hostname()) || u.User != nil || u.Path != "/" || u.Host == "" || strings.ContainsAny(u.Host, " \r\n") {
			t.Errorf("%q is accepted as %q", in, u)
		}
	})
}
