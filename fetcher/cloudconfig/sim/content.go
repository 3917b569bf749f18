package sim

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
	"unicode/utf16"
)

// rowBytes is less than the size of any row of the second sheet.
const rowBytes = 100

// ruleText describes a rule in reports.
type ruleText struct{ name, kind, risk, remediation string }

// rules are the rules in all reports.
var rules = []ruleText{
	{"RAM用户开启MFA", "ACS::RAM::User", "高风险", "登录RAM控制台，为用户启用多因素认证（MFA）设备。"},
	{"OSS存储空间ACL禁止公共读", "ACS::OSS::Bucket", "高风险", "将Bucket的读写权限改为私有（private）。"},
	{"ECS实例未绑定公网地址", "ACS::ECS::Instance", "中风险", "解绑公网IP，改用NAT网关或负载均衡访问公网。"},
	{"安全组入网设置有效", "ACS::ECS::SecurityGroup", "高风险", "删除源为0.0.0.0/0且开放全部端口的入方向规则。"},
	{"RDS实例开启SSL", "ACS::RDS::DBInstance", "中风险", "在数据安全性页面开启SSL加密并更新客户端证书。"},
	{"ActionTrail开启全量日志跟踪", "ACS::ActionTrail::Trail", "中风险", "创建包含全部管理事件的跟踪并投递到日志服务。"},
	{"ECS磁盘开启加密", "ACS::ECS::Disk", "低风险", "为磁盘创建快照，再由快照创建加密磁盘并替换。"},
	{"SLB服务器证书未到期", "ACS::SLB::ServerCertificate", "低风险", "在到期前上传新证书，并在监听中更换。"},
}

// account is an account in a report.
type account struct{ id, name string }

// workbooks returns the content of the report: a workbook or, for an account group,
// a .zip with a workbook per account. It depends on pack and creation time only.
func (r *report) workbooks() ([]byte, error) {
	accounts := []string{"生产账号", "测试账号", "日志审计账号"}
	switch {
	case r.pack.ID == inventory:
		return r.resources(), nil
	case r.pack.ID == allRules && r.pack.Aggregator == "":
		accounts = accounts[:1]
	case r.pack.Aggregator == "":
		return r.workbook(account{r.pack.AccountID, accounts[0]}), nil
	}
	first, _ := strconv.ParseInt(r.pack.AccountID, 10, 64) // digits, by Server.add
	method := zip.Deflate
	if r.pack.Script.Size > 0 {
		method = zip.Store // compression would make it smaller than Size
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i, name := range accounts {
		a := account{strconv.FormatInt(first+int64(i), 10), name}
		f, err := z.CreateHeader(&zip.FileHeader{
			Name:     fmt.Sprintf("%s_%s_%s.xls", a.id, a.name, r.pack.ID),
			Method:   method,
			Modified: r.created.Truncate(2 * time.Second), // the precision of a zip
		})
		if err != nil {
			return nil, err
		}
		if _, err := f.Write(r.workbook(a)); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}

// resources returns the inventory: a table in text, with tags that have commas in
// them.
func (r *report) resources() []byte {
	random := rand.New(rand.NewChaCha8(sha256.Sum256([]byte(r.path()))))
	text := "\uFEFF资源ID,资源名称,资源类型,地域,标签,创建时间\r\n"
	for range max(12+random.IntN(30), r.pack.Script.Size/rowBytes) {
		text += fmt.Sprintf("res-%016x,%s,%s,cn-shanghai,\"{\"\"env\"\":\"\"prod\"\",\"\"owner\"\":\"\"安全\"\"}\",%s\r\n", random.Uint64(), "资源",
			rules[random.IntN(len(rules))].kind, r.began.In(beijing).Format(time.DateTime))
	}
	if !r.pack.Script.UTF16 {
		return []byte(text)
	}
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return b
}

// workbook returns the workbook of an account: an overview, and the non-compliant
// resources with the remediation for each.
func (r *report) workbook(a account) []byte {
	random := rand.New(rand.NewChaCha8(sha256.Sum256([]byte(r.path() + a.id))))
	counts := make([]int, len(rules)) // of non-compliant resources, by rule
	bad := sheet{name: "不合规资源", widths: []int{30, 28, 26, 14, 10, 52}, rows: [][]any{
		{"规则名称", "资源类型", "资源ID", "地域", "风险等级", "修复建议"},
	}}
	regions := []string{"cn-hangzhou", "cn-shanghai", "cn-beijing", "ap-southeast-1"}
	for range max(12+random.IntN(30), r.pack.Script.Size/rowBytes) {
		i := random.IntN(len(rules))
		counts[i]++
		rule := rules[i]
		id := fmt.Sprintf("res-%016x", random.Uint64())
		bad.rows = append(bad.rows, []any{rule.name, rule.kind, id, regions[random.IntN(len(regions))], rule.risk, rule.remediation})
	}
	overview := sheet{name: "概览", widths: []int{30, 28, 16, 16, 10}, rows: [][]any{
		{"合规包报告", "Compliance pack report"},
		{"合规包名称", r.pack.Name},
		{"合规包ID", r.pack.ID},
		{"账号ID", a.id},
		{"账号名称", a.name},
		{"生成时间", r.created.In(beijing).Format("2006-01-02 15:04:05.000 UTC+8")},
		{"不合规资源数", len(bad.rows) - 1},
		{},
		{"规则名称", "资源类型", "检测资源数", "不合规资源数", "风险等级"},
	}}
	for i, rule := range rules {
		overview.rows = append(overview.rows, []any{rule.name, rule.kind, counts[i] + random.IntN(200), counts[i], rule.risk})
	}
	return compoundFile("Workbook", workbook([]sheet{overview, bad}))
}
