package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/internal/fault"
)

func TestHeadline(t *testing.T) {
	t.Parallel()
	a, b := sealedPack("cp-a", "MLPS"), sealedPack("cp-b", "")
	gap, late := gapPack("cp-g", "PCI DSS, weekly"), withState(sealedPack("cp-o", ""), "overdue")
	working, waiting := withState(sealedPack("cp-w", ""), "working"), withState(sealedPack("cp-n", ""), "waiting")
	failing := working
	failing.Trouble = "NoPermission"
	for _, test := range []struct {
		packs  []Pack
		en, zh string
	}{
		{nil, "No packs are configured.", "尚未配置合规包。"},
		{[]Pack{a}, "The pack’s latest report is sealed.", "全部 1 个合规包的最新报告均已封存。"},
		{[]Pack{a, b}, "The latest reports of all 2 packs are sealed.", "全部 2 个合规包的最新报告均已封存。"},
		{[]Pack{a, gap}, "1 of 2 packs needs attention: “PCI DSS, weekly”.", "2 个合规包中有 1 个需要关注：“PCI DSS, weekly”。"},
		{[]Pack{a, gap, late}, "2 of 3 packs need attention: “PCI DSS, weekly”, “cp-o”.", "3 个合规包中有 2 个需要关注：“PCI DSS, weekly”、“cp-o”。"},
		{[]Pack{gap, gap, gap, late, gap}, "5 of 5 packs need attention: “PCI DSS, weekly”, “PCI DSS, weekly”, “PCI DSS, weekly” and 2 more.", "“PCI DSS, weekly”等。"},
		{[]Pack{a, working, waiting}, "No pack needs attention. Of 3 packs: 1 sealed, 1 in progress, 1 not due yet.",
			"没有需要关注的合规包：3 个合规包中 1 个的最新报告已封存，1 个处理中，1 个未到期。"},
		{[]Pack{a, failing, waiting}, "The last attempt failed for 1 pack. Of 3 packs: 1 sealed, 1 in progress, 1 not due yet.",
			"1 个合规包最近一次尝试失败：3 个合规包中 1 个的最新报告已封存，1 个处理中，1 个未到期。"},
		{[]Pack{withState(a, "new-fangled")}, "1 of 1 pack needs attention: “MLPS”.", "1 个合规包中有 1 个需要关注"},
	} {
		h := handler(t, options(0, test.packs...))
		wantAll(t, get(h, "/").Body.String(), "<title>"+test.en, "<h1", ">"+test.en+"</h1>")
		wantAll(t, get(h, "/?lang=zh").Body.String(), "<h1", test.zh, "</h1>")
	}
}

func TestOverviewRows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		working := withState(sealedPack("cp-w", "Slow"), "working")
		troubled := withState(sealedPack("cp-t", "Troubled"), "working")
		troubled.Trouble = "asking for the report: 503"
		waiting := Pack{Source: "prod", Key: "cp-n", State: StateWaiting, Counts: new(Counts), TimeZone: "No/Such", NextDue: midnight.Add(time.Second)}
		h := handler(t, options(0, sealedPack("cp-a", "MLPS"), waiting, working, troubled,
			withState(sealedPack("ca-1/cp-o", "Late"), "overdue"), gapPack("cp-g", "Gone")))
		body := get(h, "/").Body.String()
		// Those that need attention come first, then trouble, then work, then the rest as it was.
		wantAll(t, body, ">Late<", ">Gone<", ">Troubled<", ">Slow<", ">MLPS<", ">cp-n<")
		wantAll(t, body, "164 reports sealed in total, 2 gaps recorded.")
		wantAll(t, body, `href="/packs/prod/ca-1/cp-o"`, `class="state overdue"`, "Overdue")
		wantAll(t, body, "prod/cp-g", `class="state gap"`, "Gap", "none yet",
			`<time datetime="2000-01-01T00:01:30Z">2000-01-01 00:01:30 UTC</time> <small>in 90 seconds`,
			">2 <small>The pack, report template, account group or account does not exist.", "1999-12-30 00:00 UTC")
		wantAll(t, body, "Troubled", "In progress", "Last attempt: asking for the report: 503")
		wantAll(t, body, "MLPS", "Sealed", `<time datetime="1999-12-31T21:00:00Z" title="1999-12-31 21:00 UTC">2000-01-01 05:00 Asia/Shanghai</time> <small>3 hours ago`,
			"2000-01-02 02:00 Asia/Shanghai</time> <small>in 18 hours", ">41<", ">0<", "48.2 KiB <code>9f86d081884c</code>")
		wantAll(t, body, ">cp-n<", "Not due yet", "2000-01-01 00:00:01 UTC", "in 1 second")
		wantNone(t, body, digest, "in 1 seconds", "1970", "0001")
	})
}

// TestPausedShows on both pages, in both languages, and in JSON, whatever the
// pack's state; what people wrote is escaped.
func TestPausedShows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := sealedPack("cp-a", "MLPS")
		p.Paused = &Pause{Since: midnight.Add(-time.Hour), Until: midnight.Add(time.Hour), By: "alice@host", Why: "<b>move</b>"}
		h := handler(t, options(0, p, sealedPack("cp-b", "Other")))
		for path, word := range map[string]string{"/": "Paused since", "/packs/prod/cp-a": "Paused since", "/?lang=zh": "暂停于", "/packs/prod/cp-a?lang=zh": "暂停于"} {
			body := get(h, path).Body.String()
			wantAll(t, body, word+` <time datetime="1999-12-31T23:00:00Z" title="1999-12-31 23:00 UTC">2000-01-01 07:00 Asia/Shanghai</time>`, "2000-01-01 09:00 Asia/Shanghai</time>, <bdi>alice@host: &lt;b&gt;move")
			if n := strings.Count(body, word); n != 1 {
				t.Errorf("%s says %d times that a pack is paused", path, n)
			}
		}
		wantAll(t, get(h, "/api/v1/packs").Body.String(), `"paused":{"since":"1999-12-31T23:00:00Z","until":"2000-01-01T01:00:00Z","by":"alice@host","why":`)
		wantNone(t, get(h, "/packs/prod/cp-b").Body.String(), "Paused")
	})
}

func TestOverviewSpeaksChinese(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := handler(t, options(0, sealedPack("cp-a", "等级保护"), gapPack("cp-g", "Gone")))
		body := get(h, "/?lang=zh").Body.String()
		wantAll(t, body, `<html lang="zh">`, "等级保护", "已封存", "3 小时前", "18 小时后")
		wantAll(t, body, "缺失", "合规包、报告模板、账号组或账号不存在。")
		wantAll(t, body, `href="/packs/prod/cp-a?lang=zh"`) // the choice goes along
		wantNone(t, body, "ago", "Sealed", "Gap")
	})
}

// TestKindsHaveNames: a pack without a name that is not a compliance pack goes by its
// kind, in the page's language; others by their key.
func TestKindsHaveNames(t *testing.T) {
	t.Parallel()
	h := handler(t, options(0, sealedPack("rules", ""), sealedPack("ca-1/rules", "Theirs"), sealedPack("inventory", ""), sealedPack("crt-1", "")))
	wantAll(t, get(h, "/").Body.String(), ">All rules<", "prod/rules", ">Theirs<", ">Resource inventory<", ">crt-1<")
	wantAll(t, get(h, "/packs/prod/rules?lang=zh").Body.String(), "<h1", "全部规则")
	wantAll(t, get(h, "/api/v1/packs").Body.String(), `"pack":"rules"`, `"kind":"aggregate_rules"`, `"kind":"inventory"`, `"kind":"template"`)
}

func TestRefreshCanBeStopped(t *testing.T) {
	t.Parallel()
	h := handler(t, options(0, sealedPack("cp-a", "")))
	live, still := get(h, "/?lang=zh"), get(h, "/?lang=zh&pause=1")
	if live.Header().Get("Refresh") != "30" || still.Header().Get("Refresh") != "" {
		t.Errorf("Refresh: %q and, paused, %q", live.Header().Get("Refresh"), still.Header().Get("Refresh"))
	}
	wantAll(t, live.Body.String(), `href="/?lang=zh&amp;pause=1"`)
	wantAll(t, still.Body.String(), `href="/?lang=zh"`)
}

func TestPageSaysWhyNotReady(t *testing.T) {
	t.Parallel()
	opts := options(1, sealedPack("cp-a", ""))
	opts.Ready = func() error {
		return fault.New(fault.SinkUnavailable, "storing in %s", "<primary>").WithHint("make room")
	}
	h := handler(t, opts)
	for _, path := range []string{"/", "/packs/prod/cp-a"} {
		wantAll(t, get(h, path).Body.String(), "packseal is not ready:", "storing in &lt;primary&gt;", "make room", "<h1")
	}
	opts.Ready = func() error { return errors.New("starting") }
	wantNone(t, get(handler(t, opts), "/").Body.String(), "()")
}

// TestOverviewIsBounded: of very many packs the page shows some, first of all
// those that need attention, and all when asked.
func TestOverviewIsBounded(t *testing.T) {
	t.Parallel()
	var packs []Pack
	for i := range maxRows + 1 {
		packs = append(packs, sealedPack(fmt.Sprintf("cp-%d", i), ""))
	}
	packs[maxRows] = gapPack("cp-g", "Gone")
	h := handler(t, options(0, packs...))
	some, all := get(h, "/?lang=zh").Body.String(), get(h, "/?lang=en&all=1").Body.String()
	for body, rows := range map[string]int{some: maxRows, all: maxRows + 1} {
		if n := strings.Count(body, `scope="row"`); n != rows {
			t.Errorf("%d rows, want %d", n, rows)
		}
	}
	wantAll(t, some, "Gone", "仅显示 1001 个合规包中的 1000 个", `href="/?all=1&amp;lang=zh"`)
	wantNone(t, all, "Showing")
	wantAll(t, get(h, "/").Body.String(), "1 of 1001 packs needs attention", "Showing 1000 of 1001 packs")
	wantNone(t, get(handler(t, options(0, packs[:maxRows]...)), "/").Body.String(), "Showing")
}

func TestStrangersInputIsEscaped(t *testing.T) {
	t.Parallel()
	const evil = `"><script>alert('1')<img src=x onerror=alert(1)>` // no slash: a source's name has none
	p := gapPack(evil, evil)
	p.Source, p.Schedule, p.TimeZone, p.Trouble, p.LastReason = evil, evil, evil, evil, evil
	p.State, p.LastSHA256 = evil, evil
	opts := options(5, p)
	opts.Version = evil
	opts.Ready = func() error { return errors.New(evil) }
	h := handler(t, opts)
	body := get(h, "/").Body.String()
	_, link, _ := strings.Cut(body, `scope="row"><a href="`)
	link, _, _ = strings.Cut(link, `"`)
	pack := get(h, link)
	if pack.Code != http.StatusOK {
		t.Errorf("the link %q answers %d", link, pack.Code)
	}
	for _, body := range []string{body, pack.Body.String(), get(h, "/packs/a/"+"%3Cscript%3E").Body.String(),
		get(h, "/packs/prod/x?lang=%22%3E%3Cscript%3E&pause=%3Cscript%3E").Body.String(),
		get(h, "/api/v1/packs").Body.String(), get(h, "/api/v1/slots?source=%3Cscript%3E&pack=%3Cscript%3E").Body.String()} {
		wantNone(t, body, "<script", "<img")
	}
}

// A page of a thousand packs: asked for every 30 seconds by every open tab.
func BenchmarkOverview1000(b *testing.B) {
	var packs []Pack
	for i := range 1000 {
		packs = append(packs, sealedPack(fmt.Sprintf("cp-%020d", i), "MLPS level 3"))
	}
	h := handler(b, options(0, packs...))
	for b.Loop() {
		if w := get(h, "/"); w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
