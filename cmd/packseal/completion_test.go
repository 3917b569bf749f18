package main

import (
	"slices"
	"strings"
	"testing"

	"packseal.example/test/lab"
)

// TestCompletion: what can be named is offered, as far as the configuration and
// the daemon say it.
func TestCompletion(t *testing.T) {
	t.Parallel()
	_, endpoint := simulate(t)
	setup := lab.Setup{
		Dir: t.TempDir(), Endpoint: endpoint, Packs: []string{"{id: " + lab.Pack + ", name: 等保三级, since: 2020-01-01}", lab.Another},
		More: "notify: [{name: compliance, webhook: {url_file: url}}]\n",
	}
	lab.Write(t, setup.Dir, map[string]string{"url": "http://127.0.0.1:1/"})
	path := setup.Write(t)
	offered := func(words ...string) []string {
		t.Helper()
		var out, talk strings.Builder
		if code := run(t.Context(), append([]string{"__complete"}, words...), &out, &talk); code != 0 {
			t.Errorf("%q ended with %d: %s", words, code, talk.String())
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if last := lines[len(lines)-1]; last != ":4" { // no names of files
			t.Errorf("%q ends with %s", words, last)
		}
		return lines[:len(lines)-1]
	}
	one, two := "prod/"+lab.Pack+"\t等保三级", "prod/"+lab.Another+"\t0 0 1 1 *"
	for _, c := range []struct {
		verb, flag string
		want       []string
	}{
		{"list", "", []string{one, two}},
		{"list prod/" + lab.Pack, "", []string{two}},
		{"verify", "", []string{one, two}},
		{"verify", "--sink", []string{"primary"}},
		{"next", "", []string{one, two}},
		{"seal", "", []string{one, two}},
		{"doctor", "--generate", []string{one, two}},
		{"queue", "--source", []string{"prod"}},
		{"queue pause", "", []string{"prod", one, two}},
		{"queue resume", "", []string{"prod", one, two}},
		{"notify test", "", []string{"compliance"}},
		{"cat", "", []string{one, two}},
		{"ack", "", nil},
	} {
		words := append(strings.Fields(c.verb), "--config", path)
		if c.flag != "" {
			words = append(words, c.flag)
		}
		if got := offered(append(words, "")...); !slices.Equal(got, c.want) {
			t.Errorf("%s %s offers %q, want %q", c.verb, c.flag, got, c.want)
		}
	}
	startRun(t, path).settled(t)
	if got := offered("cat", "--config", path, ""); len(got) != 4 || !slices.ContainsFunc(got, func(s string) bool {
		return strings.HasPrefix(s, "prod/"+lab.Pack+"@") && strings.HasSuffix(s, "\tsealed")
	}) {
		t.Errorf("beside a daemon cat offers %q", got)
	}
	if got := offered("ack", "--config", path, ""); len(got) != 2 || !strings.HasPrefix(got[0], "prod/") || !strings.Contains(got[0], "@") {
		t.Errorf("beside a daemon ack offers %q, want the slots alone", got)
	}
	if got := offered("list", "--config", path+".missing", ""); len(got) != 0 {
		t.Errorf("without a configuration %q is offered", got)
	}
}
