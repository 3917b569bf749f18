package web

import (
	"fmt"
	"strings"

	"packseal.example/internal/evidence"
	"packseal.example/internal/i18n"
)

func chinese() *locale {
	return &locale{
		Tag: "zh", Name: "中文",
		Tagline: "合规报告存证", Skip: "跳到正文", Language: "语言", Packs: "合规包", All: "全部合规包",
		History: "历史记录", Pack: "合规包", State: "状态", LastSealed: "最近封存", NextDue: "下次到期", EndedOn: "结束于", Sinks: "存储",
		Sealed: "已封存", Gaps: "缺失", Report: "最新报告", Schedule: "计划", Due: "到期时间",
		Settled: "记录时间", After: "到期后 %s 就绪", Imported: "由 %s 导入", NotReady: "packseal 未能正常工作：",
		LastTry: "最近一次尝试：", Paused: "暂停于", Until: "恢复于", AckedBy: "确认人：", AckedUntil: "有效至", Labels: "标签", Outcome: "结果", Never: "暂无", Reading: "正在读取",
		AsOf: "截至", Refreshes: "每 30 秒刷新一次。", Pause: "暂停刷新", Resume: "每 30 秒刷新一次",
		Older: "更早", Newest: "最新", Metrics: "指标", API: "JSON", NoSlots: "尚无记录。",
		Incomplete:   "未能读取全部历史记录：",
		StillReading: "正在读取历史记录，本页暂缺较早的记录。",
		Pruned:       "已封存，报告已在保留期后清除",
		Ledger:       "账本，请另行留存此行：", Statement: "本月存证声明", NoStatement: "没有声明。", LedgerError: "账本未能追加：",
		LedgerProblem: "账本问题：", Stamped: "最近一次加盖时间戳：", Cosigned: "最近一次见证签名：",
		NotFound: "没有这个合规包。", Bad: "页面地址中的时间无效。",
		states: map[string]string{
			StateSealed: "已封存", StateGap: "缺失", StateWorking: "处理中", StateOverdue: "逾期",
			StateWaiting: "未到期", StateReading: "正在读取", StateEnded: "已结束", StateDisabled: "已停用",
		},
		unknown: "未知", reasons: i18n.ChineseReasons(),
		kinds: map[string]string{
			evidence.Rules: "全部规则", evidence.AggregateRules: "账号组全部规则",
			evidence.Inventory: "资源清单", evidence.AggregateInventory: "账号组资源清单",
		},
		join: func(sentences []string) string { return strings.Join(sentences, "") },
		now:  "刚刚", relative: chineseRelative, headline: chineseHeadline, summary: chineseSummary,
		some: func(shown, all int) string {
			return fmt.Sprintf("仅显示 %d 个合规包中的 %d 个，需要关注的在前。", all, shown)
		},
		notReady: "packseal 未能正常工作。", spoolFull: "暂存磁盘已满。",
		sinksDown: func(names []string, all int) string {
			return fmt.Sprintf("%d 个存储中有 %d 个无法使用：%s。", all, len(names), chineseNames(names))
		},
		sourcesPaused: func(names []string) string {
			return fmt.Sprintf("%d 个来源已暂停：%s。", len(names), chineseNames(names))
		},
		sinkDown:     func(name string) string { return "存储“" + name + "”无法使用，始于" },
		sourcePaused: func(name string) string { return "来源“" + name + "”已暂停，始于" },
		spoolLeft: func(free string, reports int) string {
			return fmt.Sprintf("暂存磁盘剩余 %s，其中暂存 %d 份报告。", free, reports)
		},
		problems:     func(n int) string { return fmt.Sprintf("校验发现 %d 处问题。", n) },
		ledgerForked: "账本被回滚或分叉。", ledgerTampered: "有人没有密钥而写入了账本。",
		ledgerDiffers: func(n int) string { return fmt.Sprintf("归档与账本有 %d 条记录不符。", n) },
		ledgerStalled: func(n int) string { return fmt.Sprintf("账本无法写入，尚缺 %d 条记录。", n) },
		stale:         func(days int) string { return fmt.Sprintf("已有 %d 天没有通过校验。", days) },
		packsPaused:   func(n int) string { return fmt.Sprintf("%d 个合规包已暂停。", n) },
		notKept:       func(n int) string { return fmt.Sprintf("%d 个合规包存在但未留存。", n) },
		notListed: func(sources []string) string {
			return fmt.Sprintf("%d 个来源的合规包未能列出：%s。", len(sources), chineseNames(sources))
		},
		refused:      "修改后的配置被拒绝。",
		refusedSince: "仍使用之前的配置。修改后的配置被拒绝于",
		sourceNotListed: func(source string, ever bool) string {
			if !ever {
				return "来源“" + source + "”的合规包从未全部列出："
			}
			return "来源“" + source + "”的合规包未能全部列出，始于"
		},
		sourceNotKept: func(source string, n int) string {
			return fmt.Sprintf("来源“%s”有 %d 个合规包未被 packs 或规则包含：", source, n)
		},
		names: func(some []string, all int) string {
			text := strings.Join(some, "、")
			if more := all - len(some); more > 0 {
				text += fmt.Sprintf(" 等共 %d 个", all)
			}
			return text
		},
		reached: func(when string) string {
			if when == "" {
				return "部分存储尚未应答。"
			}
			return "存储最近一次应答：" + when + "。"
		},
		verified: chineseVerified,
	}
}

func chineseRelative(n int, u unit, past bool) string {
	text := fmt.Sprintf("%d %s", n, [...]string{"秒", "分钟", "小时", "天"}[u])
	if past {
		return text + "前"
	}
	return text + "后"
}

func chineseHeadline(t totals, attention []string) string {
	switch {
	case t.Packs == 0:
		return "尚未配置合规包。"
	case t.Attention > 0:
		names := chineseNames(attention)
		if t.Attention > len(attention) {
			names += "等"
		}
		return fmt.Sprintf("%d 个合规包中有 %d 个需要关注：%s。", t.Packs, t.Attention, names)
	case t.Reading > 0:
		return fmt.Sprintf("正在读取 %d 个合规包中 %d 个的历史记录。", t.Packs, t.Reading)
	case t.Sealed == t.Packs && t.Doubt:
		return fmt.Sprintf("此前已知的全部 %d 个合规包的最新报告均已封存。", t.Packs)
	case t.Sealed == t.Packs:
		return fmt.Sprintf("全部 %d 个合规包的最新报告均已封存。", t.Packs)
	}
	parts := []string{fmt.Sprintf("%d 个合规包中 %d 个的最新报告已封存", t.Packs, t.Sealed)}
	if t.Working > 0 {
		parts = append(parts, fmt.Sprintf("%d 个处理中", t.Working))
	}
	if t.Waiting > 0 {
		parts = append(parts, fmt.Sprintf("%d 个未到期", t.Waiting))
	}
	if t.Ended > 0 {
		parts = append(parts, fmt.Sprintf("%d 个已结束", t.Ended))
	}
	if t.Disabled > 0 {
		parts = append(parts, fmt.Sprintf("%d 个已停用", t.Disabled))
	}
	lead := "没有需要关注的合规包："
	if t.Failing > 0 {
		lead = fmt.Sprintf("%d 个合规包最近一次尝试失败：", t.Failing)
	}
	return lead + strings.Join(parts, "，") + "。"
}

func chineseSummary(t totals) string {
	if t.Incomplete > 0 {
		return fmt.Sprintf("正在读取 %d 个合规包的历史记录。", t.Incomplete)
	}
	if t.Gaps == 0 {
		return fmt.Sprintf("共封存 %d 份报告，无缺失记录。", t.Reports)
	}
	return fmt.Sprintf("共封存 %d 份报告，记录缺失 %d 次。", t.Reports, t.Gaps)
}

func chineseNames(names []string) string {
	some := names[:min(len(names), maxNames)]
	text := "“" + strings.Join(some, "”、“") + "”"
	if len(names) > len(some) {
		text += fmt.Sprintf(" 等共 %d 个", len(names))
	}
	return text
}

func chineseVerified(when string, problems int) string {
	switch {
	case when == "" && problems == 0:
		return "尚未校验。"
	case when == "":
		return "尚无通过的校验。"
	}
	return "最近一次通过校验：" + when + "。"
}
