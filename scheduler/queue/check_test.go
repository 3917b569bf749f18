package queue

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
)

// file writes a file that only its owner reads.
func file(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// paths joins the paths of the problems. Each must have a hint.
func paths(t *testing.T, problems []fault.Problem) string {
	t.Helper()
	var all []string
	for _, p := range problems {
		if p.Hint == "" {
			t.Errorf("%s: no hint: %s", p.Path, p.Message)
		}
		if strings.Contains(p.Message+p.Hint, "MARKED") {
			t.Errorf("%s: shows a secret: %s", p.Path, p.Message)
		}
		all = append(all, p.Path)
	}
	return strings.Join(all, " ")
}

func TestCheckCluster(t *testing.T) {
	t.Parallel()
	token := secret.File(file(t, "token", "MARKED-long-and-random"))
	three := []string{"a:1", "b:2", "127.0.0.1:3"}
	for want, c := range map[string]Cluster{
		"":                                  {Routes: three, TokenFile: token},
		"cluster.size":                      {Size: 2, DNS: "x:1", TokenFile: token},
		"cluster.listen":                    {Listen: "6222", DNS: "x:1", TokenFile: token},
		"cluster":                           {DNS: "x:1", Routes: three, TokenFile: token},
		"cluster.routes[1]":                 {Routes: []string{"a:1", "b", "c:1"}, TokenFile: token},
		"cluster.routes":                    {Routes: []string{"a:1"}, TokenFile: token},
		"cluster.dns":                       {DNS: "no port", TokenFile: token},
		"cluster.name":                      {Name: "a b", DNS: "x:1", TokenFile: token},
		"cluster.member":                    {Member: "*", DNS: "x:1", TokenFile: token},
		"cluster.token_file":                {DNS: "x:1", TokenFile: "/does/not/exist"},
		"cluster.tls cluster.tls.cert_file": {DNS: "x:1", TLS: &TLS{CertFile: "/does/not/exist", KeyFile: token}},
		"cluster.tls.ca_file cluster.tls.cert_file": {DNS: "x:1", TLS: &TLS{CAFile: string(token), CertFile: string(token), KeyFile: token}},
	} {
		if got := paths(t, (&Embedded{Cluster: &c}).Check()); got != want {
			t.Errorf("%+v: problems with %q, want %q", c, got, want)
		}
	}
	if got := paths(t, (&Embedded{Cluster: &Cluster{}}).Check()); got != "cluster cluster" {
		t.Errorf("an empty one has problems with %q", got)
	}
}

func TestCheckNATS(t *testing.T) {
	t.Parallel()
	seed := secret.File(file(t, "seed", "MARKED"))
	here := []string{"nats://127.0.0.1:4222", "tls://host"}
	for want, n := range map[string]NATS{
		"":             {Servers: here, NkeyFile: seed, Domain: "hub", Prefix: "a_b-1", Replicas: 5},
		"servers":      {},
		"servers[0]":   {Servers: []string{"nats://u:MARKED@127.0.0.1:4222"}},
		"servers[1]":   {Servers: []string{"nats://h:1", "http://MARKED"}},
		"nkey_file":    {Servers: here, CredentialsFile: seed, NkeyFile: seed},
		"tls.key_file": {Servers: here, TLS: &TLS{KeyFile: seed}},
		"tls.ca_file":  {Servers: here, TLS: &TLS{CAFile: "/does/not/exist"}},
		"domain":       {Servers: here, Domain: "a.b"},
		"prefix":       {Servers: here, Prefix: "a.*"},
		"replicas":     {Servers: here, Replicas: 7},
	} {
		if got := paths(t, n.Check()); got != want {
			t.Errorf("%+v: problems with %q, want %q", n, got, want)
		}
	}
}
