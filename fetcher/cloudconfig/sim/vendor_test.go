package sim_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"

	"packseal.example/fetcher/cloudconfig/sim"
)

// listening returns a simulator on loopback.
func listening(t *testing.T) (*sim.Server, *httptest.Server) {
	t.Helper()
	s := one(t, sim.Script{Make: 100 * time.Millisecond})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server
}

// download checks that the link leads to a workbook.
func download(t *testing.T, link string) {
	t.Helper()
	status, _, body, err := fetch(t, link)
	if err != nil || status != 200 || !bytes.HasPrefix(body, []byte("\xD0\xCF\x11\xE0")) {
		t.Errorf("the stranger's link: %d, %d bytes, %v", status, len(body), err)
	}
}

// TestDarabonba requests a report with the vendor's generic Go client, with
// parameters in the query and in a form.
func TestDarabonba(t *testing.T) {
	t.Parallel()
	for place, fill := range map[string]func(*openapi.OpenApiRequest, map[string]*string){
		"query": func(r *openapi.OpenApiRequest, p map[string]*string) { r.Query = p },
		"form": func(r *openapi.OpenApiRequest, p map[string]*string) {
			form := map[string]any{}
			for k, v := range p {
				form[k] = *v
			}
			r.Body = form
		},
	} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			_, server := listening(t)
			client, err := openapi.NewClient(&openapi.Config{
				AccessKeyId: tea.String(keyID), AccessKeySecret: tea.String(secret), Protocol: tea.String("http"),
				Endpoint: tea.String(strings.TrimPrefix(server.URL, "http://")),
			})
			if err != nil {
				t.Fatal(err)
			}
			call := func(action, pack string) (map[string]any, error) {
				request := &openapi.OpenApiRequest{}
				fill(request, map[string]*string{"CompliancePackId": &pack})
				answer, err := client.CallApi(&openapi.Params{
					Action: &action, Version: tea.String("2020-09-07"), Protocol: tea.String("HTTP"), Pathname: tea.String("/"),
					Method: tea.String("POST"), AuthType: tea.String("AK"), Style: tea.String("RPC"),
					ReqBodyType: tea.String("formData"), BodyType: tea.String("json"),
				}, request, &dara.RuntimeOptions{})
				body, _ := answer["body"].(map[string]any)
				return body, err
			}
			if _, err := call("GenerateCompliancePackReport", ordinary); err != nil {
				t.Fatal(err)
			}
			link := ""
			for link == "" { // ends with the test's time at the latest
				body, err := call("GetCompliancePackReport", ordinary)
				if err != nil {
					t.Fatal(err)
				}
				link, _ = body["CompliancePackReport"].(map[string]any)["ReportUrl"].(string)
			}
			download(t, link)
			if _, err := call("GetCompliancePackReport", sim.MissingPackID); err == nil || !strings.Contains(err.Error(), "Invalid.CompliancePackId.Value") {
				t.Errorf("a pack that does not exist: %v", err)
			}
		})
	}
}

// TestNpmClients requests a report with the vendor's two clients for Node: one signs
// with ACS3, the other with RPC V1. They are installed once in PACKSEAL_NPM_DIR, or
// in a temporary directory.
func TestNpmClients(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, "no %s: the clients for Node can't run", tool)
		}
	}
	dir := install(t)
	for _, script := range []string{"acs3.js", "rpc.js"} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			s, server := listening(t)
			cmd := command(t, dir, "node", script)
			cmd.Env = append(os.Environ(), "SIM_HOST="+strings.TrimPrefix(server.URL, "http://"), "SIM_ID="+keyID, "SIM_SECRET="+secret,
				"SIM_PACK="+ordinary, "SIM_MISSING="+sim.MissingPackID)
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v, calls %v\n%s", err, s.Calls(), stderr(err))
			}
			var got struct{ Status, URL, Refused string }
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			if got.Status != "COMPLETE" || !strings.Contains(got.Refused, "Invalid.CompliancePackId.Value") {
				t.Errorf("got %s", out)
			}
			download(t, got.URL)
		})
	}
}

// install returns a directory with the scripts and their dependencies.
func install(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("PACKSEAL_NPM_DIR")
	if dir == "" {
		dir = t.TempDir()
	}
	files, err := filepath.Glob("testdata/npm/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err == nil {
		return dir
	}
	if out, err := command(t, dir, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts").CombinedOutput(); err != nil {
		missing(t, "npm can't install the clients: %v\n%s", err, out)
	}
	return dir
}

// missing skips the test if a component is missing, but fails it in CI.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("PACKSEAL_CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func command(t *testing.T, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	return cmd
}

// stderr returns the standard error of a failed command.
func stderr(err error) []byte {
	if e, ok := err.(*exec.ExitError); ok {
		return e.Stderr
	}
	return nil
}
