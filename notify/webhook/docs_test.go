package webhook

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestDocumentedCheck runs the check of a signature as docs/notices.md has it,
// on messages signed here.
func TestDocumentedCheck(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("PACKSEAL_CI") != "" {
			t.Fatal(err)
		}
		t.Skip("python3 is not installed")
	}
	docs, err := os.ReadFile("../../docs/notices.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(docs), "```python\n")
	code, _, ok := strings.Cut(code, "```")
	if !ok {
		t.Fatal("docs/notices.md has no Python")
	}
	code += "import json, sys\nsecret, at, signature, body = json.load(sys.stdin)\n" +
		`print(genuine(secret.encode(), {"X-Packseal-Timestamp": at, "X-Packseal-Signature": signature}, body.encode()))`
	const body = `{"title":"缺失"}`
	now, old := strconv.FormatInt(time.Now().Unix(), 10), strconv.FormatInt(time.Now().Unix()-3600, 10)
	for _, args := range [][]string{
		{"True", "secret", now, "sha256=" + sign("secret", now, []byte(body)), body},
		{"False", "secret", now, "sha256=" + sign("secret", now, []byte(body)), body + " "},
		{"False", "secret", old, "sha256=" + sign("secret", old, []byte(body)), body},
	} {
		in, err := json.Marshal(args[1:])
		if err != nil {
			t.Fatal(err)
		}
		c := exec.CommandContext(t.Context(), python, "-c", code)
		c.Stdin = strings.NewReader(string(in))
		got, err := c.CombinedOutput()
		if err != nil || strings.TrimSpace(string(got)) != args[0] {
			t.Errorf("%q: %s, %v", args, got, err)
		}
	}
}

// TestDocumentedAlerts sends a notice by the template for CloudMonitor's alert
// management, which is the same in the chart's example.
func TestDocumentedAlerts(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		text, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	page := read("docs/alibaba-cloud.md")
	template := regexp.MustCompile(`template: '(.*)'`)
	found, again := template.FindStringSubmatch(page), template.FindStringSubmatch(read("deploy/helm/packseal/ci/ack-values.yaml"))
	if found == nil || again == nil || found[1] != again[1] {
		t.Fatalf("the page has %q, the chart %q", found, again)
	}
	var body map[string]string
	if err := json.Unmarshal([]byte(send(t, found[1])), &body); err != nil {
		t.Fatal(err)
	}
	if body["severity"] != "critical" || body["alertname"] != gap.Title || body["id"] != gap.ID {
		t.Errorf("the body is %v", body)
	}
	paths := regexp.MustCompile("`\\$\\.(\\w+)`").FindAllStringSubmatch(page, -1)
	for _, path := range paths {
		if body[path[1]] == "" {
			t.Errorf("the body has no %s", path[1])
		}
	}
	if len(paths) < 4 {
		t.Errorf("only %d fields are mapped", len(paths))
	}
}
