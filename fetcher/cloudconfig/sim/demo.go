package sim

import "time"

// MissingPackID is the ID of a pack that is not in [Demo].
const MissingPackID = "cp-00c8626622af00ffffff"

// Demo returns compliance packs that show, within seconds, most of what can happen to
// a report.
func Demo() []Pack {
	return []Pack{
		{ID: "cp-fdc8626622af00f90000", Name: "MLPS level 3 等保三级"},
		{ID: "cp-1a4f626622af00b10001", Name: "CIS benchmark, slow", Script: Script{Make: 4 * time.Second, Link: V4}},
		{ID: "cp-3b7e626622af00c20002", Name: "RMiT Malaysia, throttled", Script: Script{Throttles: 2}},
		{ID: "cp-5c9d626622af00d30003", Name: "PCI DSS, with yesterday's report", Script: Script{Make: time.Second, Standing: 24 * time.Hour, Link: S3}},
		{ID: "cp-7dab626622af00e40004", Name: "OSS best practice 对象存储, first link expired", Script: Script{ExpiredLinks: 1, Link: V4}},
		{ID: "cp-9eba626622af00f50005", Name: "Network security 网络安全, download interrupted", Script: Script{Body: BodyFault{Kind: BodyCut}, Size: 200 << 10}},
		{ID: "cp-a8a8626622af00820000", Name: "Account group 账号组合规", Aggregator: "ca-f632626622af00790000", Script: Script{Make: 2 * time.Second}},
		{ID: "cp-bfc9626622af00160006", Name: "Personal information 个人信息保护, altered in transit", Script: Script{Body: BodyFault{Kind: BodyAltered}, Link: V2}},
	}
}

// DemoKinds returns what else there are reports of: rules, a template and resources.
func DemoKinds() []Pack {
	return []Pack{
		{ID: allRules, Name: "All rules 全部规则", Script: Script{Make: time.Second, Standing: 24 * time.Hour}},
		{ID: "crt-c1d2626622af00730000", Name: "Report template 报告模板, first one failed", Script: Script{Make: time.Second, Ends: []string{"FAILED"}}},
		{ID: inventory, Name: "Resources 资源清单, UTF-16", Script: Script{UTF16: true}},
	}
}

// DemoFound returns compliance packs for rules that go by tags: those with env=prod are
// to be kept, those with env=test are not, and the others are for nobody.
func DemoFound() []Pack {
	return []Pack{
		{ID: "cp-d3e4626622af00640007", Name: "Found by its tag 按标签发现", Tags: map[string]string{"env": "prod"}, Script: Script{Rules: 3, Evaluate: 100 * time.Millisecond, Stuck: 1}},
		{ID: "cp-e5f6626622af00550008", Name: "For tests 测试用", Tags: map[string]string{"env": "test"}, Risk: 3},
		{ID: "cp-f708626622af00460009", Name: "Kept by nobody 无人留存", Risk: 2},
		{ID: "cp-0819626622af00370010", Name: "Being created 创建中", Status: "CREATING", Tags: map[string]string{"env": "prod"}},
	}
}
