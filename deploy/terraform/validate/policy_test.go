// Package validate holds the Terraform modules to Terraform's syntax, to the
// arguments that the provider documents, and to the policies of docs/.
package validate

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
)

// document is a policy.
type document struct {
	Version   string
	Statement []map[string]any
}

// documented returns the statements of the policies in a section of a page, in
// their order.
func documented(t *testing.T, page, section string) (all []map[string]any) {
	t.Helper()
	text, err := os.ReadFile("../../../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\n"+section+"\n")
	if !ok {
		t.Fatalf("%s has no section %s", page, section)
	}
	level, _, _ := strings.Cut(section, " ")
	rest, _, _ = strings.Cut(rest, "\n"+level+" ")
	for _, m := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(rest, -1) {
		block := strings.TrimSpace(m[1])
		if !strings.Contains(block, `"Statement"`) {
			block = `{"Statement": [` + strings.Trim(block, "[]") + `]}`
		}
		var d document
		if err := json.Unmarshal([]byte(block), &d); err != nil {
			t.Fatalf("%v in %s", err, block)
		}
		all = append(all, d.Statement...)
	}
	return all
}

const (
	account = "100000000000000"
	reader  = "acs:ram::100000000000000:role/packseal"
)

// TestReportsPolicy: the role may do what docs/credentials.md lists, by what the
// reports are of, and nothing else.
func TestReportsPolicy(t *testing.T) {
	t.Parallel()
	docs := documented(t, "credentials.md", "## Least privilege")
	names := []string{"compliance_packs", "account_group_packs", "other_reports", "evaluate", "discover"}
	if len(docs) != len(names) {
		t.Fatalf("docs/credentials.md has %d statements", len(docs))
	}
	for i, name := range names {
		m := load(t, "reports", values{"account_id": cty.StringVal(account), "reports": set(name), "ecs": cty.True})
		if diff := cmp.Diff(document{"1", docs[i : i+1]}, m.document(t, "alicloud_ram_policy", "policy_document")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	accounts := documented(t, "credentials.md", "### Many accounts: AssumeRole")
	m := load(t, "reports", values{"account_id": cty.StringVal(account), "reports": set("accounts"), "ecs": cty.True, "assume_roles": of(t, `["acs:ram::*:role/packseal"]`)})
	want := document{"1", []map[string]any{accounts[2], accounts[1]}}
	if diff := cmp.Diff(want, m.document(t, "alicloud_ram_policy", "policy_document")); diff != "" {
		t.Error(diff)
	}
}

// TestReportsTrust: those may assume the role whom docs/credentials.md lets.
func TestReportsTrust(t *testing.T) {
	t.Parallel()
	provider := `{"provider_arn": "acs:ram::100000000000000:oidc-provider/ack-rrsa-c0123456789", "issuer": "https://oidc-ack-cn-shanghai.oss-cn-shanghai.aliyuncs.com/c0123456789"}`
	for section, given := range map[string]values{
		"### ECS: instance role":              {"ecs": cty.True},
		"### ACK: RRSA, a role for the pod":   {"rrsa": of(t, provider)},
		"### Many accounts: AssumeRole":       {"trusted_role": cty.StringVal(reader), "external_id": cty.StringVal("packseal-finance")},
		"### Many accounts: AssumeRole (all)": {"trusted_role": cty.StringVal(reader), "external_id": cty.StringVal("packseal-finance"), "ecs": cty.True, "rrsa": of(t, provider)},
	} {
		given["account_id"] = cty.StringVal(account)
		got := load(t, "reports", given).document(t, "alicloud_ram_role", "assume_role_policy_document").Statement
		section, all := strings.CutSuffix(section, " (all)")
		if all != (len(got) == 3) {
			t.Errorf("%s: %d statements", section, len(got))
		}
		if diff := cmp.Diff(documented(t, "credentials.md", section)[0], got[len(got)-1]); diff != "" {
			t.Errorf("%s: %s", section, diff)
		}
	}
}

// TestEvidencePolicy: the role may do in the bucket what docs/storage.md lists for
// one that was never versioned.
func TestEvidencePolicy(t *testing.T) {
	t.Parallel()
	docs := documented(t, "storage.md", "## Alibaba Cloud OSS")
	given := values{"bucket": cty.StringVal("evidence"), "trusted_role": cty.StringVal(reader)}
	if diff := cmp.Diff(document{"1", docs[:3]}, load(t, "evidence", given).document(t, "alicloud_ram_policy", "policy_document")); diff != "" {
		t.Error(diff)
	}
	given["kms_key_id"] = cty.StringVal("9468da86-3509-4f8d-a61e-6eab1eac0000")
	got := load(t, "evidence", given).document(t, "alicloud_ram_policy", "policy_document").Statement
	kms := map[string]any{"Effect": "Allow", "Action": []any{"kms:GenerateDataKey", "kms:Decrypt"}, "Resource": "acs:kms:*:*:key/9468da86-3509-4f8d-a61e-6eab1eac0000"}
	if diff := cmp.Diff(append(docs[:3:3], kms), got); diff != "" {
		t.Error(diff)
	}
	given["external_id"] = cty.StringVal("packseal-finance")
	trust := load(t, "evidence", given).document(t, "alicloud_ram_role", "assume_role_policy_document")
	if diff := cmp.Diff(documented(t, "credentials.md", "### Many accounts: AssumeRole")[:1], trust.Statement); diff != "" {
		t.Error(diff)
	}
}
