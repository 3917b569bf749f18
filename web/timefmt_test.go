package web

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestRelative(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration][2]string{
		0:                       {"now", "刚刚"},
		-500 * time.Millisecond: {"now", "刚刚"},
		-time.Second:            {"1 second ago", "1 秒前"},
		119 * time.Second:       {"in 119 seconds", "119 秒后"},
		-2 * time.Minute:        {"2 minutes ago", "2 分钟前"},
		119 * time.Minute:       {"in 119 minutes", "119 分钟后"},
		2 * time.Hour:           {"in 2 hours", "2 小时后"},
		-47 * time.Hour:         {"47 hours ago", "47 小时前"},
		-48 * time.Hour:         {"2 days ago", "2 天前"},
		366 * 24 * time.Hour:    {"in 366 days", "366 天后"},
	} {
		if got := [2]string{english().relativeTo(now.Add(d), now), chinese().relativeTo(now.Add(d), now)}; got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

func TestTimestamp(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 18, 0, 0, 0, time.UTC)
	z := zones{}
	want := timestamp{"2026-03-01T18:00:00Z", "2026-03-02 02:00 Asia/Shanghai", "2026-03-01 18:00 UTC", "now"}
	if got := english().timestamp(at, at, z.find("Asia/Shanghai")); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := english().timestamp(at.Add(5*time.Second), at, z.find("Mars/Olympus")).Text; got != "2026-03-01 18:00:05 UTC" {
		t.Errorf("an unknown zone is written as %q", got)
	}
	if got := english().timestamp(time.Time{}, at, time.UTC); got != (timestamp{}) {
		t.Errorf("no time is written as %+v", got)
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 49312: "48.2 KiB", 1<<20 - 1: "1.0 MiB", 1 << 20: "1.0 MiB",
		2 << 30: "2.0 GiB", 1<<63 - 1: "8.0 EiB",
	} {
		if got := size(n); got != want {
			t.Errorf("%d bytes are written as %q, want %q", n, got, want)
		}
	}
}

// TestOneZone: what is of no single pack is in the zone of all packs, if they have
// one, and a pack's times are in its own.
func TestOneZone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shanghai, utc := sealedPack("cp-a", ""), gapPack("cp-g", "")
		for want, packs := range map[string][]Pack{
			"2000-01-01 08:00 Asia/Shanghai": {shanghai, shanghai}, "2000-01-01 00:00 UTC": {shanghai, utc}, "2000-01-01 00:00 UTC</time>.": nil,
		} {
			wantAll(t, get(handler(t, options(0, packs...)), "/").Body.String(), "As of <time", ">"+want)
		}
		wantAll(t, get(handler(t, options(0, shanghai, utc)), "/packs/prod/cp-a").Body.String(), "As of <time", ">2000-01-01 08:00 Asia/Shanghai")
	})
}
