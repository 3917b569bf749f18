package audit

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"packseal.example/internal/i18n"
	"packseal.example/internal/table"
)

// Text returns the sentence that says what is not proven, in a language.
func (l Limit) Text(lang string) string {
	if lang == Chinese {
		return limits[l].chinese
	}
	return limits[l].english
}

var limits = map[Limit]said{
	LimitTruth:     {"that what the reports say is true: they are kept as Alibaba Cloud Config made them", "报告内容属实：这里只证明保存的就是阿里云配置审计（Config）生成的报告"},
	LimitRecent:    {"anything after the last stamp", "最后一个时间戳之后的任何事项"},
	LimitCollusion: {"that the operator, the time-stamping authorities and the witnesses do not act together", "运行方、时间戳机构和见证人没有串通"},
	LimitUnplanned: {"that there was no compliance pack besides those that were planned", "除排期内的合规包之外没有其他合规包"},
	LimitBefore:    {"anything before the ledger began", "账本开始之前的任何事项"},
	LimitTime:      {"when anything happened: no time-stamp was checked", "任何事项发生的时间：没有核对时间戳"},
}

// lines are what a result says, in two languages.
var (
	lineLedger   = said{"ledger %s: %s and %s agree, up to entry %d with the root %s", "账本 %s：%s 个条目与 %s 个已签名的检查点相符，至第 %d 个条目，根为 %s"}
	lineNothing  = said{"believe nothing in the bundle, because of the findings below", "鉴于以下问题，审计包中的任何内容都不可采信"}
	lineStamps   = said{"%s of %s; the longest time without one: %s", "%s 个时间戳，来自 %s；最长的无时间戳间隔：%s"}
	lineWitness  = said{"cosigned by %s", "由 %s 共同签署"}
	linePeriod   = said{"from %s until %s (%s)", "自 %s 起，至 %s 前（%s）"}
	lineBegan    = said{"the ledger began at %s: it says nothing of what was due before", "账本始于 %s：此前到期的项目不作说明"}
	linePacks    = said{"of these packs alone: %s", "仅限以下合规包：%s"}
	lineCounts   = said{"reports due: %d; sealed %d (late %d, removed after retention %d), gaps %d, found %d, missing %d, open %d", "应有报告 %d 份：已封存 %d 份（其中滞后 %d 份，保留期满后移除 %d 份），缺失 %d 份，事后发现 %d 份，无记录 %d 份，待定 %d 份"}
	lineDays     = said{"not due because plans changed: %s", "因排期变更而不再到期的合规包·天数：%s"}
	lineSlates   = said{"%s stamped too late to be an announcement of what falls due", "%s 份到期声明的时间戳过晚，不能算事先声明"}
	lineReports  = said{"%s in the bundle, each what its manifest says: %s", "审计包中有 %s 份报告，均与其清单相符，共 %s 字节"}
	lineOlder    = said{"%s that you noted not compared: of before the bundle", "您留存的行中有 %s 行早于审计包的范围，未作比较"}
	lineOther    = said{"%s not looked at: not of a bundle", "%s 个文件不属于审计包，未予查看"}
	lineAside    = said{"not checked, and no evidence: %s", "未核对，不是证据：%s"}
	lineBesides  = said{"%s of slots that no plan of the ledger expected, as of before it began", "另有 %s 条记录，账本中没有任何排期要求它们，例如在账本开始之前"}
	lineTokens   = said{"%s not checked: --tsa-roots checks them", "%s 个时间戳未核对：可用 --tsa-roots 核对"}
	lineGap      = said{"gap: %s due %s: %s: %s", "缺失：%s 到期于 %s：%s：%s"}
	lineLate     = said{"late: %s due %s, sealed %s, first stamped %s", "滞后：%s 到期于 %s，封存于 %s，首个时间戳 %s"}
	lineChange   = said{"plan changed at %s: added %s; removed %s; rescheduled %s", "排期变更于 %s：新增 %s；移除 %s；改期 %s"}
	lineNotDue   = said{"not due any more: %s on %d days from %s to %s", "不再到期：%s，共 %d 天，自 %s 至 %s"}
	lineMore     = said{"%d more (--json has all)", "另有 %d 项（--json 可列出全部）"}
	lineLimit    = said{"not proven: %s", "未证明：%s"}
	lineFindings = said{"findings: %d", "发现问题：%d 项"}
)

// listed is how many of a kind the text lists.
const listed = 20

// text writes the lines of a result.
type text struct {
	strings.Builder
	lang string
	zone *time.Location
}

// line adds one. What a terminal would not just show is left out of it: much of it is
// by strangers.
func (t *text) line(s said, args ...any) {
	format := s.english
	if t.lang == Chinese {
		format = s.chinese
	}
	for i, a := range args {
		switch v := a.(type) {
		case time.Time:
			args[i] = v.In(t.zone).Format(time.RFC3339)
		case number:
			args[i] = v.in(t.lang)
		}
	}
	t.WriteString(table.Plain(fmt.Sprintf(format, args...)) + "\n")
}

// number is how many there are of something.
type number struct {
	n    int64
	noun string // English, for one
}

func (n number) in(lang string) string {
	if lang == Chinese {
		return strconv.FormatInt(n.n, 10)
	}
	return i18n.Count(int(n.n), n.noun)
}

// Text returns the result in words for people, in a language: what was checked, what
// became of what was due, each finding, and what is not proven.
func (r Result) Text(lang string) string {
	t := &text{lang: lang, zone: time.UTC}
	if s := r.Statement; s != nil {
		if zone, err := time.LoadLocation(s.Zone); err == nil {
			t.zone = zone
		}
		r.proven(t, *s)
		counted(t, *s)
		listGaps(t, *s)
		listChanges(t, *s)
	} else {
		t.line(lineNothing)
	}
	if r.Reports > 0 {
		t.line(lineReports, number{int64(r.Reports), "report"}, number{r.Bytes, "byte"})
	}
	if r.Older > 0 {
		t.line(lineOlder, number{int64(r.Older), "line"})
	}
	if r.Unchecked > 0 {
		t.line(lineTokens, number{int64(r.Unchecked), "time-stamp"})
	}
	if len(r.Aside) > 0 {
		t.line(lineAside, strings.Join(r.Aside, ", "))
	}
	if r.Other > 0 {
		t.line(lineOther, number{int64(r.Other), "file"})
	}
	if s := r.Statement; s != nil {
		for _, l := range s.NotProven {
			t.line(lineLimit, l.Text(lang))
		}
	}
	for _, f := range r.Findings {
		t.WriteString(string(f.Word) + "\t" + table.Plain(f.Key) + "\t" + table.Plain(f.In(lang)) + "\n")
	}
	t.line(lineFindings, len(r.Findings))
	return t.String()
}

func (r Result) proven(t *text, s Statement) {
	t.line(lineLedger, s.Checkpoint.Origin, number{int64(r.Entries), "entry"}, number{int64(r.Checkpoints), "signed checkpoint"}, s.Checkpoint.Size, s.Checkpoint.Root)
	if r.Tokens > 0 {
		t.line(lineStamps, number{int64(s.Stamps.Count), "time-stamp"}, strings.Join(s.Stamps.Names, ", "), time.Duration(s.Stamps.Longest)*time.Second)
	}
	if len(s.Witnesses) > 0 {
		t.line(lineWitness, strings.Join(s.Witnesses, ", "))
	}
}

func counted(t *text, s Statement) {
	t.line(linePeriod, s.From, s.Until, s.Zone)
	if !s.Began.IsZero() {
		t.line(lineBegan, s.Began)
	}
	if len(s.Packs) > 0 {
		t.line(linePacks, strings.Join(s.Packs, ", "))
	}
	c := s.Counts
	t.line(lineCounts, c.Expected, c.Sealed, c.Late, c.Pruned, c.Gap, c.Found, c.Missing, len(s.Open))
	if c.Unscheduled > 0 {
		t.line(lineDays, number{int64(c.Unscheduled), "pack-day"})
	}
	if n := len(s.SlatesLate); n > 0 {
		t.line(lineSlates, number{int64(n), "slate"})
	}
	if s.Besides > 0 {
		t.line(lineBesides, number{int64(s.Besides), "record"})
	}
}

func listGaps(t *text, s Statement) {
	list(t, s.Gaps, func(g Gap) { t.line(lineGap, packKey(g.Source, g.Pack), g.Due, g.Reason, g.Detail) })
	list(t, s.Late, func(l LateSlot) { t.line(lineLate, packKey(l.Source, l.Pack), l.Due, l.Sealed, l.Stamped) })
}

func listChanges(t *text, s Statement) {
	join := func(names []string) string {
		if len(names) == 0 {
			return "–"
		}
		return strings.Join(names, ", ")
	}
	list(t, s.PlanChanges, func(c PlanChange) {
		t.line(lineChange, c.At, join(c.Added), join(c.Removed), join(c.Rescheduled))
	})
	list(t, s.Unscheduled, func(u Unscheduled) { t.line(lineNotDue, packKey(u.Source, u.Pack), u.Days, u.From, u.Until) })
}

// list writes the first of a kind, and how many more there are.
func list[T any](t *text, all []T, write func(T)) {
	for i, x := range all {
		if i == listed {
			t.line(lineMore, len(all)-i)
			return
		}
		write(x)
	}
}
