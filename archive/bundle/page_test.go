package bundle_test

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"time"

	"packseal.example/archive/audit"
	"packseal.example/archive/audit/audittest"
	"packseal.example/archive/bundle"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/i18n"
)

// TestPage: the page has nothing that a browser would fetch or run, its style is what a
// policy can name, and what strangers wrote stays text.
func TestPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(l *audittest.Ledger) {
		l.Seal = func(l *audittest.Ledger, s evidence.Slot) {
			if s.Pack == "cp-2" && s.Due.Day() == 6 {
				raw, err := evidence.Encode(evidence.NewGap(s, fault.Deadline, "<script>alert(1)</script>", s.Due.Add(time.Hour), audittest.Tool))
				if err != nil {
					t.Fatal(err)
				}
				l.Log(s.GapKey(), raw)
				return
			}
			l.SealAt(s, s.Due.Add(time.Minute))
		}
	})
	raw, m := w.write(bundle.Options{Period: audit.Period{From: audittest.Moment(5, 0, 0), Until: audittest.Moment(9, 0, 0), Zone: "Asia/Shanghai"}, Reports: all})
	page := string(member(t, raw, audit.PageName))
	for _, want := range []string{
		"Statement on compliance reports", "合规报告存证声明", "<td class=\"n\">12</td>", "&lt;script&gt;alert(1)", "deadline",
		"2026-03-06 10:00:00 &#43;08:00", "Pack <code>prod/cp-1</code>: 4", "<td>Pack <code>prod/cp-2</code></td><td>" + i18n.EnglishReasons()[fault.Deadline] + " <code>deadline</code>", i18n.ChineseReasons()[fault.Deadline], `download="2026-03-05 1000 Pack (cp-1).xls"`, "VERIFY.zh.txt",
		"that the operator, the time-stamping authorities and the witnesses do not act together",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	links := regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	for _, link := range links {
		if member(t, raw, link[1]) == nil {
			t.Errorf("%q is not in the bundle", link[1])
		}
	}
	if len(links) < 8 || strings.Contains(page, "<script") || strings.Contains(page, "http://") || strings.Contains(page, "https://") || strings.Contains(page, "ZgotmplZ") {
		t.Errorf("the page has %d links, or a script, or an address", len(links))
	}
	var alone strings.Builder
	if err := m.Page(&alone, audit.Chinese, bundle.Link{Path: "/", Name: "packseal"}); err != nil {
		t.Fatal(err)
	}
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(alone.String())
	if sum := sha256.Sum256([]byte(style[1])); "sha256-"+base64.StdEncoding.EncodeToString(sum[:]) != bundle.StyleSource() {
		t.Error("the style is not the one that a policy names")
	}
	if got := alone.String(); !strings.Contains(got, `id="zh" checked`) || !strings.Contains(got, `<a href="/">packseal</a>`) {
		t.Errorf("%.2000s", got)
	}
}
