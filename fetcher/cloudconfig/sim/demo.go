package sim

import "time"

// MissingPackID is the ID of a pack that is not in [Demo].
const MissingPackID = "cp-00c8626622af00ffffff"

// Demo returns packs that show, within seconds, most of what can happen to a
// report.
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
