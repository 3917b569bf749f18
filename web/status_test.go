package web

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/fault"
)

// TestHeadlineKnowsTheRest: what is wrong beside the packs comes first, with its
// details below, and nothing is said to be in order that may not be.
func TestHeadlineKnowsTheRest(t *testing.T) {
	t.Parallel()
	up := Sink{Name: "primary", Reached: midnight.Add(-3 * time.Hour)}
	down := Sink{Name: "mirror", Down: midnight.Add(-time.Hour), Why: "listing mirror: <refused>"}
	both := []Sink{{Name: "primary", Down: midnight.Add(-time.Hour)}, down}
	paused := sealedPack("cp-b", "")
	paused.Paused = &Pause{Since: midnight, By: "bob", Why: "move"}
	for name, test := range map[string]struct {
		status   Status
		ready    error
		packs    []Pack
		en, zh   string // the headline
		summary  string
		details  []string
		attended bool
	}{
		"all well": {
			status: Status{Sinks: []Sink{up}, Verified: Verified{Passed: midnight.Add(-48 * time.Hour)}},
			en:     "The pack’s latest report is sealed.", zh: "全部 1 个合规包的最新报告均已封存。",
			summary: "41 reports sealed in total, no gaps recorded. The sinks last answered 3 hours ago. Verification last passed 2 days ago.",
		},
		"nothing known": {
			status: Status{Sinks: []Sink{{Name: "primary"}, up}},
			en:     "The pack’s latest report is sealed.", zh: "全部 1 个合规包的最新报告均已封存。",
			summary: "Not every sink has answered yet. Never verified.",
		},
		"the queue does not answer": {
			ready: fault.New(fault.NotReady, "no answer"),
			en:    "packseal is not ready. The pack’s latest known report was sealed.", zh: "packseal 未能正常工作。此前已知的全部 1 个合规包的最新报告均已封存。",
			attended: true,
		},
		"both sinks down": {
			status: Status{Sinks: both}, packs: []Pack{sealedPack("cp-a", ""), sealedPack("cp-b", "")},
			en:      "2 of 2 sinks cannot be used: “primary”, “mirror”. The latest known reports of all 2 packs were sealed.",
			zh:      "2 个存储中有 2 个无法使用：“primary”、“mirror”。此前已知的全部 2 个合规包的最新报告均已封存。",
			details: []string{"The sink “mirror” has been down since", "1999-12-31 23:00 UTC", "listing mirror: &lt;refused&gt;"}, attended: true,
		},
		"the only sink down": {
			status: Status{Sinks: []Sink{down}}, packs: []Pack{gapPack("cp-g", "")},
			en: "The sink cannot be used: “mirror”. 1 of 1 pack needs attention: “cp-g”.",
			zh: "1 个存储中有 1 个无法使用：“mirror”。1 个合规包中有 1 个需要关注：“cp-g”。", attended: true,
		},
		"a full spool": {
			status: Status{Spool: Spool{Reports: 2, Free: 2048, Full: true}},
			en:     "The spool’s disk is full. The pack’s latest report is sealed.", zh: "暂存磁盘已满。",
			details: []string{"The spool’s disk has 2.0 KiB left; 2 reports in the spool."}, attended: true,
		},
		"problems": {
			status: Status{Verified: Verified{Passed: midnight.AddDate(-1, 0, 0), Problems: map[string]int{"altered": 1, "missing": 2}}},
			en:     "Verification found 3 problems. The pack’s latest report is sealed.", zh: "校验发现 3 处问题。",
			summary: "Verification last passed 365 days ago.", attended: true,
		},
		"problems from the first": {
			status: Status{Verified: Verified{Problems: map[string]int{"altered": 1}}},
			en:     "Verification found 1 problem. ", zh: "校验发现 1 处问题。",
			summary: "No verification has passed yet.", attended: true,
		},
		"not verified for long": {
			status: Status{Verified: Verified{Passed: midnight.AddDate(0, 0, -9)}},
			en:     "No verification has passed for 9 days. ", zh: "已有 9 天没有通过校验。", attended: true,
		},
		"paused": {
			status: Status{Paused: []PausedSource{{"test", Pause{Since: midnight.Add(-time.Minute), Until: midnight.Add(time.Hour), By: "alice", Why: "<move>"}}}}, packs: []Pack{sealedPack("cp-a", ""), paused},
			en:      "1 source is paused: “test”. 1 pack is paused. The latest reports of all 2 packs are sealed.",
			zh:      "1 个来源已暂停：“test”。1 个合规包已暂停。",
			details: []string{"The source “test” has been paused since", "until <time datetime=", "2000-01-01 01:00 UTC", "alice: &lt;move&gt;"}, attended: true,
		},
		"packs that are not kept": {
			status: Status{Listed: []Listed{{Source: "prod", Packs: 4, NotKept: 3, Some: []ListedPack{{"cp-1", "<x>"}, {"cp-2", ""}}}, {Source: "test", Packs: 1}}},
			en:     "3 packs exist and are not kept. The pack’s latest", zh: "3 个合规包存在但未留存。",
			details: []string{"Neither packs nor a rule of the source “prod” names 3 packs:", "&lt;x&gt; (cp-1), cp-2 and 1 more"}, attended: true,
		},
		"packs that can't be listed": {
			status: Status{Listed: []Listed{{Source: "prod", At: midnight.Add(-time.Hour), Why: "denied"}, {Source: "test", Why: "down"}}},
			en:     "Packs could not be listed: “prod”, “test”. ", zh: "2 个来源的合规包未能列出：“prod”、“test”。",
			details: []string{"Not all packs of the source “prod” were listed since", "denied", "Not all packs of the source “test” have ever been listed: <bdi>down</bdi>"}, attended: true,
		},
		"a source paused with its accounts": {
			status: Status{Paused: []PausedSource{{"prod", Pause{Since: midnight, By: "bob", Why: "move"}}, {"prod.1", Pause{Since: midnight, By: "bob", Why: "move"}}, {"prod.2", Pause{Since: midnight, By: "eve", Why: "move"}}}},
			en:     "2 sources are paused: “prod”, “prod.2”. The pack’s latest", zh: "2 个来源已暂停：“prod”、“prod.2”。全部 1 个", attended: true,
		},
		"a configuration that was rejected": {
			status: Status{Refused: &Refusal{At: midnight.Add(-time.Hour), Why: "packseal.yaml:3: id: <bad>", Hint: "fix it"}},
			en:     "The changed configuration was rejected. The pack’s latest", zh: "修改后的配置被拒绝。全部 1 个",
			details: []string{"The changed one was rejected", "1999-12-31 23:00 UTC", "packseal.yaml:3: id: &lt;bad&gt;\nfix it"}, attended: true,
		},
		"a paused source": { // its packs are not counted once more
			status: Status{Paused: []PausedSource{{"prod", Pause{Since: midnight, By: "bob", Why: "move"}}}}, packs: []Pack{paused},
			en: "1 source is paused: “prod”. The pack’s latest", zh: "1 个来源已暂停：“prod”。全部 1 个", attended: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if test.packs == nil {
					test.packs = []Pack{sealedPack("cp-a", "")}
				}
				opts := options(0, test.packs...)
				opts.Status = func() Status { return test.status }
				opts.Ready = func() error { return test.ready }
				h := handler(t, opts)
				body := get(h, "/").Body.String()
				wantAll(t, body, append([]string{"<h1", ">" + test.en, "</h1>", test.summary}, test.details...)...)
				wantAll(t, get(h, "/?lang=zh").Body.String(), "<h1", ">"+test.zh, "</h1>")
				if got := strings.Contains(body, `<h1 class="look">`); got != test.attended {
					t.Errorf("marked %t, want %t", got, test.attended)
				}
			})
		})
	}
}

func TestStatusGolden(t *testing.T) {
	t.Parallel()
	opts := options(0)
	opts.Ready = func() error { return fault.Wrap(fault.NotReady, errors.New("no answer")) }
	opts.Status = func() Status {
		return Status{
			Sinks: []Sink{{Name: "primary", Reached: midnight}, {Name: "mirror", Down: midnight, Why: "refused"}}, Spool: Spool{Reports: 1, Bytes: 7, Free: 9, Full: true},
			Paused: []PausedSource{{"prod", Pause{Since: midnight, By: "alice", Why: "move"}}}, Verified: Verified{Passed: midnight, Problems: map[string]int{"altered": 1}},
			Listed: []Listed{{Source: "prod", At: midnight, Packs: 2, NotKept: 1, Some: []ListedPack{{"cp-1", "one"}}, Why: "denied"}},
		}
	}
	const want = `{"ready":false,"why":"no answer","sinks":[{"sink":"primary","reached":"2000-01-01T00:00:00Z"},{"sink":"mirror","down":"2000-01-01T00:00:00Z","why":"refused"}],` +
		`"spool":{"reports":1,"bytes":7,"free":9,"full":true},"paused_sources":[{"source":"prod","since":"2000-01-01T00:00:00Z","by":"alice","why":"move"}],` +
		`"verified":{"passed":"2000-01-01T00:00:00Z","problems":{"altered":1}},` +
		`"listed":[{"source":"prod","at":"2000-01-01T00:00:00Z","packs":2,"not_kept":1,"some":[{"pack":"cp-1","name":"one"}],"why":"denied"}]}` + "\n"
	if diff := cmp.Diff(want, get(handler(t, opts), "/api/v1/status").Body.String()); diff != "" {
		t.Error(diff)
	}
	wantAll(t, get(handler(t, options(0)), "/api/v1/status").Body.String(), `{"ready":true,"sinks":[`)
}
