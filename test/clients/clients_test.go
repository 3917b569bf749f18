// Package clients has the vendor's own clients call the simulated Config API and the
// fake OSS, so that these are right by more than our clients' word. It is a module
// of its own: nothing else needs those clients.
package clients

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
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
	"packseal.example/test/lab"
)

// ordinary and template are what reports are made of.
const (
	ordinary = "cp-fdc8626622af00f90000"
	template = "crt-fdc8626622af00f90000"
)

// newLab returns a simulator on loopback for one of the vendor's clients.
func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	return lab.New(t, sim.Pack{ID: ordinary, Name: "MLPS level 3 等保三级", Script: sim.Script{Make: 100 * time.Millisecond}}, sim.Pack{ID: template})
}

// The beginnings of a workbook, a zip and a table in UTF-8.
const (
	workbook = "\xD0\xCF\x11\xE0"
	archive  = "PK\x03\x04"
	table    = "\uFEFF资源ID,"
)

// download checks that a link that a client got leads to a report that begins so.
func download(t *testing.T, link, begins string) {
	t.Helper()
	resp, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !bytes.HasPrefix(body, []byte(begins)) {
		t.Errorf("the link: %s, %d bytes, %v", resp.Status, len(body), err)
	}
}

// TestDarabonba lets the vendor's generic Go client have a report made, with
// its parameters in the query as well as in a form.
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
			l := newLab(t)
			client, err := openapi.NewClient(&openapi.Config{
				AccessKeyId: tea.String(lab.KeyID), AccessKeySecret: tea.String(lab.KeySecret), Protocol: tea.String("http"),
				Endpoint: tea.String(strings.TrimPrefix(l.HTTP.URL, "http://")),
			})
			if err != nil {
				t.Fatal(err)
			}
			ask := func(action string, params map[string]*string) (map[string]any, error) {
				request := &openapi.OpenApiRequest{}
				fill(request, params)
				answer, err := client.CallApi(&openapi.Params{
					Action: &action, Version: tea.String("2020-09-07"), Protocol: tea.String("HTTP"), Pathname: tea.String("/"),
					Method: tea.String("POST"), AuthType: tea.String("AK"), Style: tea.String("RPC"),
					ReqBodyType: tea.String("formData"), BodyType: tea.String("json"),
				}, request, &dara.RuntimeOptions{})
				body, _ := answer["body"].(map[string]any)
				return body, err
			}
			call := func(action, pack string) (map[string]any, error) {
				return ask(action, map[string]*string{"CompliancePackId": &pack})
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
			download(t, link, workbook)
			otherKinds(t, ask)
			evaluation(t, ask)
			if _, err := call("GetCompliancePackReport", sim.MissingPackID); err == nil || !strings.Contains(err.Error(), "Invalid.CompliancePackId.Value") {
				t.Errorf("a pack that does not exist: %v", err)
			}
		})
	}
}

// otherKinds has a report of each other kind made.
func otherKinds(t *testing.T, ask func(string, map[string]*string) (map[string]any, error)) {
	t.Helper()
	answer := func(action string, params map[string]*string) map[string]any {
		body, err := ask(action, params)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	id, _ := answer("GenerateConfigRulesReport", map[string]*string{"ClientToken": tea.String("stranger-2")})["ReportId"].(string)
	ofTemplate := map[string]*string{"ReportTemplateId": tea.String(template)}
	answer("GenerateReportFromTemplate", ofTemplate)
	answer("GenerateResourceInventory", map[string]*string{"ResourceDeleted": tea.String("1")})
	for _, c := range []struct {
		action      string
		params      map[string]*string
		field, link string
		begins      string
	}{
		{"GetConfigRulesReport", map[string]*string{"ReportId": &id}, "ConfigRulesReport", "ReportUrl", archive},
		{"GetReportFromTemplate", ofTemplate, "TemplateReport", "ReportUrl", workbook},
		{"GetResourceInventory", map[string]*string{}, "ResourceInventory", "DownloadUrl", table},
	} {
		report, _ := answer(c.action, c.params)[c.field].(map[string]any)
		link, _ := report[c.link].(string)
		download(t, link, c.begins)
	}
}

// evaluation has the rules of the pack evaluated.
func evaluation(t *testing.T, ask func(string, map[string]*string) (map[string]any, error)) {
	t.Helper()
	pack := map[string]*string{"CompliancePackId": tea.String(ordinary)}
	started, err := ask("StartConfigRuleEvaluation", pack)
	if err != nil || started["Result"] != true {
		t.Fatalf("started %v, %v", started, err)
	}
	detail, err := ask("GetCompliancePack", pack)
	if err != nil {
		t.Fatal(err)
	}
	rules, _ := detail["CompliancePack"].(map[string]any)["ConfigRules"].([]any)
	if len(rules) == 0 {
		t.Fatalf("no rules in %v", detail)
	}
	id, _ := rules[0].(map[string]any)["ConfigRuleId"].(string)
	rule, err := ask("GetConfigRule", map[string]*string{"ConfigRuleId": &id})
	if state, _ := rule["ConfigRule"].(map[string]any)["ConfigRuleState"].(string); err != nil || state != "EVALUATING" {
		t.Errorf("rule %v, %v", rule, err)
	}
}

// TestDarabonbaLists lets the vendor's generic Go client list packs, account groups and
// report templates, with a tag as the vendor's own SDK writes it, and ask for what
// account groups have.
func TestDarabonbaLists(t *testing.T) {
	t.Parallel()
	l := lab.Open(t, lab.Options{Options: sim.Options{
		Packs: []sim.Pack{
			{ID: "cp-1", Name: "等保", Tags: map[string]string{"env": "prod"}, Template: "ct-1", Risk: 2}, {ID: "cp-2"},
			{ID: "cp-1", Aggregator: "ca-1"},
			{ID: "crt-1", Name: "月报"}, {ID: "crt-2", Name: "daily"}, {ID: "rules", Aggregator: "ca-1"}, {ID: "inventory", Aggregator: "ca-1"},
		},
		Groups: []sim.Group{{ID: "ca-2", Creating: true, Type: "RD"}},
	}})
	client, err := openapi.NewClient(&openapi.Config{
		AccessKeyId: tea.String(lab.KeyID), AccessKeySecret: tea.String(lab.KeySecret), Protocol: tea.String("http"),
		Endpoint: tea.String(strings.TrimPrefix(l.HTTP.URL, "http://")),
	})
	if err != nil {
		t.Fatal(err)
	}
	call := func(action string, query map[string]string) string {
		t.Helper()
		q := make(map[string]*string)
		for k, v := range query {
			q[k] = &v
		}
		answer, err := client.CallApi(&openapi.Params{
			Action: &action, Version: tea.String("2020-09-07"), Protocol: tea.String("HTTP"), Pathname: tea.String("/"),
			Method: tea.String("POST"), AuthType: tea.String("AK"), Style: tea.String("RPC"),
			ReqBodyType: tea.String("formData"), BodyType: tea.String("json"),
		}, &openapi.OpenApiRequest{Query: q}, &dara.RuntimeOptions{})
		if err != nil {
			return err.Error()
		}
		b, err := json.Marshal(answer["body"])
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, c := range []struct {
		action string
		query  map[string]string
		has    []string
		lacks  string
	}{
		{"ListCompliancePacks", map[string]string{"PageSize": "100"}, []string{`"TotalCount":2`, `"CompliancePackTemplateId":"ct-1"`, `"RiskLevel":2`, `"TagKey":"env","TagValue":"prod"`}, "ca-1"},
		{"ListCompliancePacks", map[string]string{"Tag": `[{"Key":"env","Value":"prod"}]`}, []string{`"TotalCount":1`, `"cp-1"`}, "cp-2"},
		{"ListAggregateCompliancePacks", map[string]string{"AggregatorId": "ca-1"}, []string{`"AggregatorId":"ca-1"`, `"TotalCount":1`}, "cp-2"},
		{"ListAggregateCompliancePacks", map[string]string{"AggregatorId": "ca-2"}, []string{"Invalid.AggregatorId.Value"}, "TotalCount"},
		{"ListReportTemplates", map[string]string{"MaxResults": "1"}, []string{`"TotalCount":2`, `"ReportTemplateId":"crt-1"`, `"NextToken":"`}, "crt-2"},
		{"ListReportTemplates", map[string]string{"Keyword": "daily"}, []string{`"TotalCount":1`, `"ReportTemplateName":"daily"`}, "NextToken"},
		{"GenerateAggregateConfigRulesReport", map[string]string{"AggregatorId": "ca-1"}, []string{`"ReportId":"crp-`}, "Invalid"},
		{"GetAggregateConfigRulesReport", map[string]string{"AggregatorId": "ca-1", "ReportId": "crp-none"}, []string{"Invalid.ReportId.Value"}, "COMPLETE"},
		{"GenerateAggregateResourceInventory", map[string]string{"AggregatorId": "ca-1", "ResourceDeleted": "1"}, []string{`"RequestId":"`}, "Invalid"},
		{"GetAggregateResourceInventory", map[string]string{"AggregatorId": "ca-1"}, []string{`"Status":"COMPLETE"`, `"DownloadUrl":"`}, "Invalid"},
		{"StartAggregateConfigRuleEvaluation", map[string]string{"AggregatorId": "ca-1", "CompliancePackId": "cp-1"}, []string{`"Result":true`}, "Invalid"},
		{"GetAggregateCompliancePack", map[string]string{"AggregatorId": "ca-1", "CompliancePackId": "cp-1"}, []string{`"ConfigRuleId":"cp-1.cr-0"`}, "Invalid"},
		{"GetAggregateConfigRule", map[string]string{"AggregatorId": "ca-1", "ConfigRuleId": "cp-1.cr-0"}, []string{`"ConfigRuleState":"EVALUATING"`}, "Invalid"},
		{"GetReportFromTemplate", map[string]string{"ReportTemplateId": "crt-gone"}, []string{"Invalid.ReportTemplateId.Value"}, "COMPLETE"},
		{"ListAggregators", map[string]string{"MaxResults": "1"}, []string{`"AggregatorStatus":0`, `"NextToken":"`}, "ca-1"},
	} {
		got := call(c.action, c.query)
		for _, want := range c.has {
			if !strings.Contains(got, want) {
				t.Errorf("%s %v lacks %s: %s", c.action, c.query, want, got)
			}
		}
		if strings.Contains(got, c.lacks) {
			t.Errorf("%s %v has %s: %s", c.action, c.query, c.lacks, got)
		}
	}
}

// TestNpmClients lets the vendor's two clients for Node have a report made:
// one signs as ACS3, the other as RPC V1; that of STS assume a role, and that of OSS write, read and list. They are installed where
// PACKSEAL_NPM_DIR says, once, or into a folder that the test throws away.
func TestNpmClients(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"node", "npm"} {
		lab.Tool(t, tool)
	}
	dir := install(t)
	for _, script := range []string{"acs3.js", "rpc.js"} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			cmd := command(t, dir, "node", script)
			cmd.Env = append(os.Environ(), "SIM_HOST="+strings.TrimPrefix(l.HTTP.URL, "http://"), "SIM_ID="+lab.KeyID, "SIM_SECRET="+lab.KeySecret,
				"SIM_PACK="+ordinary, "SIM_TEMPLATE="+template, "SIM_MISSING="+sim.MissingPackID)
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v, calls %v\n%s", err, l.Calls(), stderr(err))
			}
			var got struct {
				Status, URL, Refused string
				Others               map[string]struct{ Status, URL string }
			}
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			if got.Status != "COMPLETE" || !strings.Contains(got.Refused, "Invalid.CompliancePackId.Value") {
				t.Errorf("got %s", out)
			}
			download(t, got.URL, workbook)
			for field, begins := range map[string]string{"ConfigRulesReport": archive, "TemplateReport": workbook, "ResourceInventory": table} {
				if got.Others[field].Status != "COMPLETE" {
					t.Errorf("%s: got %s", field, out)
				}
				download(t, got.Others[field].URL, begins)
			}
		})
	}
	t.Run("accounts.js", func(t *testing.T) {
		t.Parallel()
		testAccounts(t, command(t, dir, "node", "accounts.js"))
	})
	t.Run("oss.js", func(t *testing.T) {
		t.Parallel()
		testOSS(t, command(t, dir, "node", "oss.js"))
	})
}

// install returns a folder with the scripts and what they need.
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
		lab.Missing(t, "npm can't install the clients: %v\n%s", err, out)
	}
	return dir
}

func command(t *testing.T, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	return cmd
}

// stderr returns what a failed command had to say.
func stderr(err error) []byte {
	if e, ok := err.(*exec.ExitError); ok {
		return e.Stderr
	}
	return nil
}
