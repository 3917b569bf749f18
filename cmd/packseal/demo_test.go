package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"packseal.example/test/lab"
)

// TestDemoEnds: Ctrl-C ends the demo, which says what was kept and what to type
// next; what it says works.
func TestDemoEnds(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	p := spawn(t, "demo", "--listen", "127.0.0.1:0", "--dir", dir)
	p.says(t, `Ctrl-C ends it`)
	p.says(t, `msg="slot sealed"`)
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if kept := p.says(t, `^(\d+) reports and the records of \d+ gaps are kept in `); kept == "0" {
		t.Error("nothing is kept")
	}
	list := p.says(t, `^(packseal list --config \S+) +see`)
	p.says(t, `^packseal verify --config \S+ +compare`)
	p.says(t, `^packseal init > packseal.yaml +begin`)
	if code := p.ends(t, syscall.Signal(0)); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	var out bytes.Buffer
	if code := run(t.Context(), strings.Fields(list)[1:], &out, &out); code != 0 {
		t.Errorf("%s ends with %d: %s", list, code, out.String())
	}
}

// TestSimServesMany: packs of any number, faults in turn, each request logged.
func TestSimServesMany(t *testing.T) {
	t.Parallel()
	p := spawn(t, "sim", "--listen", "127.0.0.1:0", "--packs", "4", "--faults", "good,denied", "--latency", "1ms")
	line := <-p.lines // no plain one comes before it
	first := regexp.MustCompile(`^\{.*"msg":"simulator served","url":"(http://[^"]+)","access_key_id":"\w+"`).FindStringSubmatch(line)
	if first == nil {
		t.Fatalf("the first line is %s", line)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "packseal.yaml")
	for name, content := range map[string]string{"key-id": simKeyID, "key-secret": simKeySecret, "packseal.yaml": `
sources: {prod: {cloudconfig: {endpoint: "` + first[1] + `", requests_per_second: 50, credentials: {access_key_id_file: key-id, access_key_secret_file: key-secret}}}}
state_dir: state
sinks: [{name: primary, local: {dir: archive}}]
web: {listen: "127.0.0.1:0"}
packs: [{id: cp-00000000000000000001}, {id: cp-00000000000000000002}, {id: cp-00000000000000000003}, {id: cp-00000000000000000004}]
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"doctor", "--config", path}, &out, &out); code != exitFailed {
		t.Errorf("doctor ended with %d: %s", code, out.String())
	}
	for line, want := range map[string]int{"✓ link ": 2, "✗ permission ": 2, " good, 2 bad, ": 1} {
		if n := strings.Count(out.String(), line); n != want {
			t.Errorf("%d lines of %q in\n%s", n, line, out.String())
		}
	}
	p.says(t, `"msg":"request served".*"call":"GetCompliancePackReport","pack":"cp-00000000000000000001"`)
	p.ends(t, os.Interrupt.(syscall.Signal))
	n := 0
	for s := bufio.NewScanner(strings.NewReader(p.out.String())); s.Scan(); n++ {
		if want := []string{"good", "denied"}[n%2]; !strings.HasSuffix(s.Text(), ", "+want) {
			t.Errorf("a pack is %s", s.Text())
		}
	}
	if n != 4 {
		t.Errorf("%d packs are named", n)
	}
	out.Reset()
	for _, args := range [][]string{{"--faults", "odd"}, {"--packs", "-1"}} {
		if code := run(t.Context(), append([]string{"sim"}, args...), &out, &out); code != exitUsage {
			t.Errorf("%q ended with %d: %s", args, code, out.String())
		}
	}
}

// TestSimAccounts: the packs of member accounts are found, by the official SDK's calls
// of the STS.
func TestSimAccounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	p := spawn(t, "sim", "--listen", "127.0.0.1:0", "--accounts", "2", "--sts-listen", "127.0.0.1:0", "--sts-ca", ca)
	sts := p.says(t, `"msg":"simulated STS served","sts_endpoint":"([^"]+)"`)
	url := p.says(t, `"msg":"simulator served","url":"(http://[^"]+)"`)
	path := filepath.Join(dir, "packseal.yaml")
	lab.Write(t, dir, map[string]string{"key-id": simKeyID, "key-secret": simKeySecret, "packseal.yaml": `
sources:
  prod:
    cloudconfig:
      endpoint: ` + url + `
      credentials: {access_key_id_file: key-id, access_key_secret_file: key-secret, sts_endpoint: "` + sts + `"}
    accounts: {role: packseal, endpoint: ` + url + `}
    discover: {rules: [{match: {tags: {env: prod}, account: "10000000000000*"}}]}
state_dir: state
sinks: [{name: primary, local: {dir: archive}}]
web: {listen: "127.0.0.1:0"}
`})
	var out bytes.Buffer
	packs := exec.CommandContext(t.Context(), "packseal", "packs", "--config", path)
	packs.Env = append(os.Environ(), "SSL_CERT_FILE="+ca)
	packs.Stdout, packs.Stderr = &out, &out
	if err := packs.Run(); err != nil {
		t.Errorf("packs: %v: %s", err, out.String())
	}
	for _, want := range []string{`(?m)^kept +rule 1 +prod\.100000000000001/cp-`, `(?m)^kept +rule 1 +prod\.100000000000002/cp-`, `(?m)^prod\.100000000000002 \(Account 2 .*\): 1 kept, 1 not kept`} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("no %s in\n%s", want, out.String())
		}
	}
	p.ends(t, os.Interrupt.(syscall.Signal))
	for _, args := range [][]string{{"--accounts", "-1", "--listen", "127.0.0.1:0"}} {
		if code := run(t.Context(), append([]string{"sim"}, args...), &out, &out); code != exitUsage {
			t.Errorf("%q ended with %d: %s", args, code, out.String())
		}
	}
}
