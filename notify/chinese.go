package notify

import (
	"cmp"
	"fmt"
	"time"

	"packseal.example/internal/i18n"
)

func chinese() *messages {
	return &messages{
		prefix: "packseal：", comma: "，", counts: chineseCounts, reasons: i18n.ChineseReasons(),
		gap:     func(reason string) string { return "缺失：" + reason },
		blocked: func(reason string) string { return "需要处理：" + reason },
		notListed: func(reason string) string {
			return "无法列出合规包，需要处理，在此之前不会发现新的合规包：" + reason
		},
		until: func(at string) string { return "将重试至 " + at + "，届时仍未解决则记为缺失" },
		todo:  func(hint string) string { return "处理方法：" + hint },
		heads: map[Kind]string{
			Overdue:      "逾期：已过时限，报告仍未封存。",
			Recovered:    "已恢复：最新报告已封存。",
			Problems:     "校验或账本发现问题，明细请运行 packseal verify 和 packseal ledger status 查看。",
			NewContainer: "报告的文件格式与上一份不同。报告已封存，请确认内容是否符合预期。",
			NotKept:      "发现未留存的合规包：packs 与 discover 的规则均未包含它。请添加，或用 keep: false 排除。",
			Found:        "发现新的合规包，自下一次到期起留存其报告。",
			Gone:         "合规包已不存在。已封存的报告不受影响。",
			ReloadFailed: "新配置未能加载，继续使用原配置。",
		},
		cleared:  "校验已恢复正常，不再有问题。",
		problems: chineseProblems,
		slots: func(pack string, n int, first, last string) string {
			if n == 1 {
				return fmt.Sprintf("%s，到期时间 %s", pack, first)
			}
			return fmt.Sprintf("%s，共 %d 次，到期时间 %s 至 %s", pack, n, first, last)
		},
		detail:  func(text string) string { return "详情：" + text },
		more:    func(n int) string { return fmt.Sprintf("……另有 %d 项", n) },
		dropped: func(n int) string { return fmt.Sprintf("另有 %d 个事件因数量过多未列出。", n) },
		foot: func(instance, at, zone string) string {
			return fmt.Sprintf("%s，%s（时区：%s）", instance, at, zone)
		},
		test: func(channel string) (string, string) {
			return "测试消息", fmt.Sprintf("这是通知渠道 %s 的测试消息，一切正常，无需处理。", channel)
		},
		digest: chineseDigest, overview: "全部合规包", runbook: "处理手册",
		period: func(from, to string) string { return fmt.Sprintf("统计范围：%s 至 %s 到期的报告", from, to) },
	}
}

func chineseCounts(k Kind, packs int) string {
	switch k {
	case Gap:
		return fmt.Sprintf("%d 个合规包报告缺失", packs)
	case Blocked:
		return fmt.Sprintf("%d 个合规包需要处理", packs)
	case Overdue:
		return fmt.Sprintf("%d 个合规包逾期", packs)
	case Recovered:
		return fmt.Sprintf("%d 个合规包已恢复", packs)
	case NewContainer:
		return fmt.Sprintf("%d 个合规包的报告格式有变化", packs)
	case NotListed:
		return fmt.Sprintf("%d 个来源无法列出", packs)
	case NotKept:
		return fmt.Sprintf("%d 个合规包未留存", packs)
	case Found:
		return fmt.Sprintf("发现 %d 个新合规包", packs)
	case Gone:
		return fmt.Sprintf("%d 个合规包已不存在", packs)
	case Problems:
		return "校验结果有变化"
	}
	return "配置加载失败"
}

// chineseProblems names the kinds of problems.
func chineseProblems(kind string, n int) string {
	name := map[string]string{
		"missing": "报告丢失", "altered": "报告被改动", "malformed": "记录损坏",
		"newer": "记录由更新的版本写入", "vanished": "记录消失", "absent": "到期却没有记录（从未生成，或已被删除）", "orphaned": "多余文件", "divergent": "各存储的记录不一致", "unmirrored": "部分存储未收到", "deleted": "被删除", "unlocked": "未锁定", "lock_short": "锁定不足",
		"unlogged": "账本中没有条目的记录", "unarchived": "账本中有、存储中已没有的记录", "forked": "账本分叉", "rolled_back": "账本被回滚", "void": "无密钥者写入账本", "unslated": "账本未声明到期项目的时段",
		"clock_offset": "本机时钟有偏差",
	}[kind]
	return fmt.Sprintf("%s：%d 处", cmp.Or(name, kind), n)
}

func chineseDigest(d Digest, at func(time.Time) string) (title string, lines []string) {
	title = fmt.Sprintf("定期汇总：封存 %d 份，缺失 %d 次", d.Sealed, len(d.Gaps))
	if n := len(d.Overdue); n > 0 {
		title += fmt.Sprintf("，逾期 %d 个", n)
	}
	verified := "校验：尚无通过记录"
	if !d.Verified.IsZero() {
		verified = "校验：最近一次通过于 " + at(d.Verified)
	}
	lines = []string{
		fmt.Sprintf("合规包：%d 个", d.Packs), fmt.Sprintf("已封存：%d 份", d.Sealed),
		fmt.Sprintf("缺失：%d 次", len(d.Gaps)), fmt.Sprintf("当前逾期：%d 个", len(d.Overdue)), verified,
	}
	if !d.Next.IsZero() {
		lines = append(lines, "下次到期："+at(d.Next))
	}
	if d.Unread > 0 {
		lines = append(lines, fmt.Sprintf("因存储无法读取而未计入：%d 个合规包", d.Unread))
	}
	if d.Ledger != "" {
		lines = append(lines, d.Ledger)
	}
	return title, lines
}
