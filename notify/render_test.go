package notify

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// rendering is the renderer of a host in Shanghai.
func rendering(t *testing.T, language string) renderer {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	return newRenderer(Entry{Language: language, Zone: zone}, "host-1")
}

func wantText(t *testing.T, m Message, want string) {
	t.Helper()
	text, foot, _ := strings.Cut(m.Text(), "\nhost-1")
	if text != want || foot == "" {
		t.Errorf("got:\n%s\nwant:\n%s", m.Text(), want)
	}
}

// events are one of each kind, and some that belong together.
func allKinds() []Event {
	named := event(Gap, "cp-1", 0)
	named.Name = "MLPS\nlevel 3"
	denied := event(Gap, "ca-1/cp-2", 1)
	denied.Reason, denied.Detail = "denied", "GetCompliancePackReport: NoPermission"
	container := event(NewContainer, "cp-5", 0)
	container.Detail = "zip; the report due 2026-11-24T02:00:00Z was ole2"
	return []Event{
		named, event(Recovered, "cp-3", 0), event(Gap, "cp-1", 24), denied, event(Overdue, "cp-4", 0),
		{Kind: Problems, Counts: map[string]int{"missing": 1, "altered": 2}},
		container,
		{Kind: ReloadFailed, Detail: "packseal.yaml:3: paks: unknown key\n  hint: did you mean \"packs\"?\n1 fault"},
	}
}

// TestListedEvents: what a listing of packs has shown, with and without a due time.
func TestListedEvents(t *testing.T) {
	t.Parallel()
	news := func(k Kind, pack, name string) Event { return Event{Kind: k, Source: "prod", Pack: pack, Name: name} }
	found := event(Found, "cp-3", 0)
	all := []Event{news(NotKept, "cp-1", "strays"), news(NotKept, "ca-1/cp-1", ""), news(Gone, "cp-2", "old"), found}
	m := rendering(t, "en").events(all, 0)
	wantText(t, m, `packseal: 2 packs not kept, 1 pack gone, 1 pack found

Found, and not kept: neither packs nor a rule of discover names it. Add it, or exclude it with keep: false.
- strays (prod/cp-1)
- prod/ca-1/cp-1

Gone: it does not exist any more. What was sealed stays.
- old (prod/cp-2)

Found, and kept from its next slot on.
- prod/cp-3, due 2026-11-25 10:00
`)
	if zh := rendering(t, "zh").events(all, 0); m.Tone != Bad || !strings.HasPrefix(zh.Title, "packseal：2 个合规包未留存，1 个合规包已不存在，发现 1 个新合规包") {
		t.Errorf("%s, %s", m.Tone, zh.Text())
	}
	if m := rendering(t, "en").events([]Event{found}, 0); m.Tone != Good {
		t.Errorf("a pack that was found is %s", m.Tone)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	m := rendering(t, "en").events(allKinds(), 3)
	wantText(t, m, `packseal: gaps in 2 packs, verification result changed, 1 pack overdue, configuration not loaded, new file format in 1 pack, 1 pack recovered

Gap: The report was not requested in time.
- prod/cp-1, 2 slots, due 2026-11-25 10:00 to 2026-11-26 10:00

Gap: The credentials are valid, but a permission is missing.
- prod/ca-1/cp-2, due 2026-11-25 11:00
- Detail: GetCompliancePackReport: NoPermission

Verification found problems, or the ledger has some. Run packseal verify and packseal ledger status to list them.
- altered: 2
- missing: 1

Overdue: the time limit has passed, and the report is not sealed.
- prod/cp-4, due 2026-11-25 10:00

The new configuration was not loaded. The previous one remains in effect.
- packseal.yaml:3: paks: unknown key
- hint: did you mean "packs"?
- 1 fault

The report is in a different file format from the one before. It is sealed; check that it is what you expect.
- prod/cp-5, due 2026-11-25 10:00
- Detail: zip; the report due 2026-11-24T02:00:00Z was ole2

Recovered: the latest report is sealed.
- prod/cp-3, due 2026-11-25 10:00

3 events more not listed.
`)
	if m.Tone != Bad || m.ID == "" || m.Instance != "host-1" {
		t.Errorf("got %+v", m)
	}
	wantText(t, rendering(t, "zh").events(allKinds()[:4], 0), `packseal：2 个合规包报告缺失，1 个合规包已恢复

缺失：未能按时请求该报告。
- prod/cp-1，共 2 次，到期时间 2026-11-25 10:00 至 2026-11-26 10:00

缺失：凭证有效，但缺少权限。
- prod/ca-1/cp-2，到期时间 2026-11-25 11:00
- 详情：GetCompliancePackReport: NoPermission

已恢复：最新报告已封存。
- prod/cp-3，到期时间 2026-11-25 10:00
`)
	both := rendering(t, "both").events(allKinds()[:1], 0)
	wantText(t, both, `packseal: gaps in 1 pack / 1 个合规包报告缺失

Gap: The report was not requested in time.
- MLPS level 3 (prod/cp-1), due 2026-11-25 10:00

缺失：未能按时请求该报告。
- MLPS level 3 (prod/cp-1)，到期时间 2026-11-25 10:00
`)
	if again := rendering(t, "both").events(allKinds()[:1], 0); again.ID != both.ID {
		t.Error("the same message has another ID")
	}
	cleared := rendering(t, "zh").events([]Event{{Kind: Problems}}, 0)
	if cleared.Tone != Good || !strings.Contains(cleared.Text(), "不再有问题") {
		t.Errorf("got %s", cleared.Text())
	}
}

// TestBlockedMessage: packs with one cause are told together, with what to do and
// how long there is time for it.
func TestBlockedMessage(t *testing.T) {
	t.Parallel()
	var events []Event
	for _, id := range []string{"cp-1", "cp-2"} {
		e := blockedBy(id, 0, "allow the RAM action config:X on pack/"+id)
		e.Detail, e.Until = "X: NoPermission", base.Add(2*time.Hour)
		events = append(events, e)
	}
	other := blockedBy("cp-3", 1, "check the source's credentials")
	other.Reason = "credentials" // a report that is fetched waits for ever
	events = append(events, other)
	m := rendering(t, "en").events(events, 0)
	wantText(t, m, `packseal: 3 packs blocked

Blocked until somebody acts: The credentials are valid, but a permission is missing.
- prod/cp-1, due 2026-11-25 10:00
- prod/cp-2, due 2026-11-25 10:00
- Tried again until 2026-11-25 12:00, then recorded as a gap
- Detail: X: NoPermission
- What to do: allow the RAM action config:X on pack/cp-2

Blocked until somebody acts: The credentials are missing, wrong or no longer valid.
- prod/cp-3, due 2026-11-25 11:00
- What to do: check the source's credentials
`)
	if m.Tone != Bad {
		t.Errorf("its tone is %s", m.Tone)
	}
	wantText(t, rendering(t, "zh").events(events[:1], 0), `packseal：1 个合规包需要处理

需要处理：凭证有效，但缺少权限。
- prod/cp-1，到期时间 2026-11-25 10:00
- 将重试至 2026-11-25 12:00，届时仍未解决则记为缺失
- 详情：X: NoPermission
- 处理方法：allow the RAM action config:X on pack/cp-1
`)
}

// TestOwnZone: a channel without a zone writes a pack's times in the pack's own, UTC
// beside them.
func TestOwnZone(t *testing.T) {
	t.Parallel()
	r := newRenderer(Entry{}, "host-1")
	night, utc, strange := event(Gap, "cp-1", -6), event(Gap, "cp-2", 0), event(Gap, "cp-3", 0) // 20:00 UTC the day before, and 02:00
	night.Zone, strange.Zone = "Asia/Shanghai", "Mars/Olympus"
	day := event(Gap, "cp-1", 0)
	day.Zone = "Asia/Shanghai"
	wantText(t, r.events([]Event{night, day, utc, strange}, 0), `packseal: gaps in 3 packs

Gap: The report was not requested in time.
- prod/cp-1, 2 slots, due 2026-11-25 04:00 Asia/Shanghai (2026-11-24 20:00 UTC) to 2026-11-25 10:00 Asia/Shanghai (02:00 UTC)
- prod/cp-2, due 2026-11-25 02:00 UTC
- prod/cp-3, due 2026-11-25 02:00 UTC
`)
	if foot := r.events([]Event{day}, 0).Foot; !strings.HasSuffix(foot, "(times in UTC)") && !strings.HasSuffix(foot, "UTC") {
		t.Errorf("the foot is %q", foot)
	}
}

func TestDigestMessage(t *testing.T) {
	t.Parallel()
	d := Digest{
		From: base, To: base.Add(24 * time.Hour), Packs: 12, Sealed: 11, Gaps: allKinds()[:1], Overdue: []Event{event(Overdue, "cp-4", 0)},
		Verified: base, Problems: map[string]int{"altered": 2}, Next: base.Add(25 * time.Hour), Unread: 1,
		Ledger: "ledger example.com/packseal/audit 1234 CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
	}
	wantText(t, rendering(t, "both").digest(d), `packseal: digest: 11 reports sealed, 1 gap, 1 overdue / 定期汇总：封存 11 份，缺失 1 次，逾期 1 个

Slots due from 2026-11-25 10:00 to 2026-11-26 10:00
- Packs: 12
- Sealed: 11
- Gaps: 1
- Overdue now: 1
- Verification: last passed 2026-11-25 10:00
- Next due: 2026-11-26 11:00
- Not counted, because the archive could not be read: 1 pack
- ledger example.com/packseal/audit 1234 CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

Gap: The report was not requested in time.
- MLPS level 3 (prod/cp-1), due 2026-11-25 10:00

Overdue: the time limit has passed, and the report is not sealed.
- prod/cp-4, due 2026-11-25 10:00

Verification found problems, or the ledger has some. Run packseal verify and packseal ledger status to list them.
- altered: 2

统计范围：2026-11-25 10:00 至 2026-11-26 10:00 到期的报告
- 合规包：12 个
- 已封存：11 份
- 缺失：1 次
- 当前逾期：1 个
- 校验：最近一次通过于 2026-11-25 10:00
- 下次到期：2026-11-26 11:00
- 因存储无法读取而未计入：1 个合规包
- ledger example.com/packseal/audit 1234 CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

缺失：未能按时请求该报告。
- MLPS level 3 (prod/cp-1)，到期时间 2026-11-25 10:00

逾期：已过时限，报告仍未封存。
- prod/cp-4，到期时间 2026-11-25 10:00

校验或账本发现问题，明细请运行 packseal verify 和 packseal ledger status 查看。
- 报告被改动：2 处
`)
	quiet := rendering(t, "en").digest(Digest{From: base, To: base, Packs: 1, Sealed: 1})
	if quiet.Tone != Plain || !strings.Contains(quiet.Text(), "has never passed") || strings.Contains(quiet.Text(), "Next") || strings.Contains(quiet.Text(), "ledger") {
		t.Errorf("got %s", quiet.Text())
	}
}

func TestTestAndHeartbeat(t *testing.T) {
	t.Parallel()
	m := rendering(t, "both").test("chat")
	if !m.Test || m.Tone != Plain || !strings.Contains(m.Text(), "chat 的测试消息") || !strings.Contains(m.Text(), "No action is needed") {
		t.Errorf("got %s", m.Text())
	}
	if p := rendering(t, "en").heartbeat(nil); p.Tone != Good || p.Title != "packseal: OK" {
		t.Errorf("got %+v", p)
	}
	if p := rendering(t, "en").heartbeat(errors.New("1 of 2\npacks overdue")); p.Tone != Bad || p.Title != "packseal: 1 of 2 packs overdue" {
		t.Errorf("got %+v", p)
	}
}

// TestNoTextIsMissing: every text exists in both languages.
func TestNoTextIsMissing(t *testing.T) {
	t.Parallel()
	for _, w := range messagesOf("both") {
		v := reflect.ValueOf(*w)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s has no %s", w.prefix, v.Type().Field(i).Name)
			}
		}
		for _, k := range []Kind{Overdue, Recovered, Problems, ReloadFailed, NewContainer} {
			if w.heads[k] == "" {
				t.Errorf("%s has no head for %s", w.prefix, k)
			}
		}
		if got := w.reason("of_tomorrow"); got != "of_tomorrow" {
			t.Errorf("%s: an unknown reason is %q", w.prefix, got)
		}
	}
}

// TestFit: what exceeds a limit is omitted, and counted.
func TestFit(t *testing.T) {
	t.Parallel()
	var many []Event
	for i := range 500 {
		many = append(many, event(Gap, fmt.Sprintf("cp-%03d", i), 0))
	}
	m := rendering(t, "both").events(many, 0)
	if text := m.Text(); !strings.Contains(text, "… and 460 more") || !strings.Contains(text, "……另有 460 项") {
		t.Errorf("got %s", text)
	}
	size := func(m Message) int { return len(m.Text()) }
	for limit := 150; limit < 10_000; limit += 50 {
		fitted := m.Fit(limit, size)
		if size(fitted) > limit {
			t.Errorf("%d bytes do not fit %d", size(fitted), limit)
		}
		if text := fitted.Text(); limit > 1000 && !strings.Contains(text, "more") || !strings.Contains(text, "host-1") {
			t.Errorf("with %d bytes: %s", limit, text)
		}
	}
}

// TestAbsent: of a slot without a record, a notice says what that may mean.
func TestAbsent(t *testing.T) {
	t.Parallel()
	for language, says := range map[string]string{
		"en": "absent (due, and no record was found: never made, or removed): 2",
		"zh": "到期却没有记录（从未生成，或已被删除）：2 处",
	} {
		m := rendering(t, language).events([]Event{{Kind: Problems, Counts: map[string]int{"absent": 2}}}, 0)
		if !strings.Contains(m.Text(), says) {
			t.Errorf("%s: %s", language, m.Text())
		}
	}
}
