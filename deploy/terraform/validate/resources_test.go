package validate

import (
	"slices"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

// arguments are what the resources of the provider take, of that which the modules
// use: documentation of aliyun/alicloud 1.252.0 and later.
var arguments = map[string][]string{
	"alicloud_ram_role":                       {"role_name", "description", "assume_role_policy_document"},
	"alicloud_ram_policy":                     {"policy_name", "description", "policy_document"},
	"alicloud_ram_role_policy_attachment":     {"role_name", "policy_name", "policy_type"},
	"alicloud_oss_bucket_acl":                 {"bucket", "acl"},
	"alicloud_oss_bucket_public_access_block": {"bucket", "block_public_access"},
	"alicloud_oss_bucket_worm":                {"bucket", "retention_period_in_days", "status"},
	"alicloud_oss_bucket": {
		"bucket", "storage_class", "redundancy_type",
		"server_side_encryption_rule.sse_algorithm", "server_side_encryption_rule.kms_master_key_id",
		"lifecycle_rule.id", "lifecycle_rule.prefix", "lifecycle_rule.enabled", "lifecycle_rule.abort_multipart_upload.days",
	},
}

// ofTerraform are arguments of every resource.
var ofTerraform = []string{"count", "lifecycle.prevent_destroy", "lifecycle.precondition.condition", "lifecycle.precondition.error_message"}

// TestModules: every expression in the modules has a value, and resources have
// only arguments that the provider knows.
func TestModules(t *testing.T) {
	t.Parallel()
	for name, given := range map[string]values{
		"reports":  {"account_id": cty.StringVal(account), "ecs": cty.True},
		"evidence": {"bucket": cty.StringVal("evidence"), "trusted_role": cty.StringVal(reader)},
		"example":  nil,
	} {
		m := load(t, name, given)
		for _, b := range m.blocks {
			if b.Type == "terraform" {
				continue // its types are no expressions
			}
			if b.Type == "variable" {
				for _, block := range b.Body.Blocks {
					m.evaluate(t, block.Body, "")
				}
				continue
			}
			for _, argument := range m.evaluate(t, b.Body, "") {
				if b.Type == "resource" && !slices.Contains(ofTerraform, argument) && !slices.Contains(arguments[b.Labels[0]], argument) {
					t.Errorf("%s: %s has no argument %s", name, b.Labels[0], argument)
				}
			}
		}
	}
}

// TestExample: the example calls the modules with variables that they have.
func TestExample(t *testing.T) {
	t.Parallel()
	example := load(t, "example", nil)
	for _, b := range example.ofType("module") {
		given := make(values)
		for name, a := range b.Body.Attributes {
			if name == "source" || name == "providers" {
				continue
			}
			value, diags := a.Expr.Value(example.scope)
			check(t, diags)
			if !value.IsWhollyKnown() {
				value = cty.StringVal(reader) // what the other module returns
			}
			given[name] = value
		}
		load(t, b.Labels[0], given)
	}
	if n := len(example.ofType("module")); n != 2 {
		t.Errorf("there are %d modules", n)
	}
}

// TestBucket: the bucket is never versioned, which would end its protection, and
// can't be destroyed; nothing is locked for good unless asked for by name.
func TestBucket(t *testing.T) {
	t.Parallel()
	given := values{"bucket": cty.StringVal("evidence"), "trusted_role": cty.StringVal(reader)}
	m := load(t, "evidence", given)
	for _, b := range m.ofType("resource") {
		all := m.evaluate(t, b.Body, "")
		if slices.Contains(all, "versioning.status") || b.Labels[0] == "alicloud_oss_bucket_versioning" {
			t.Errorf("%s turns versioning on", b.Labels[0])
		}
		if b.Labels[0] == "alicloud_oss_bucket" && !slices.Contains(all, "lifecycle.prevent_destroy") {
			t.Error("the bucket can be destroyed")
		}
	}
	if n := m.argument(t, "alicloud_oss_bucket_worm", "count"); !n.RawEquals(cty.NumberIntVal(0)) {
		t.Errorf("there is a retention policy by default: %#v", n)
	}
	given["worm_days"] = cty.NumberIntVal(1827)
	if s := load(t, "evidence", given).argument(t, "alicloud_oss_bucket_worm", "status"); s.AsString() != "InProgress" {
		t.Errorf("the retention policy is %s by default", s.AsString())
	}
	given["worm_locked"] = cty.True
	if s := load(t, "evidence", given).argument(t, "alicloud_oss_bucket_worm", "status"); s.AsString() != "Locked" {
		t.Errorf("the retention policy is %s", s.AsString())
	}
}
