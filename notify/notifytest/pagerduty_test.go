package notifytest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"packseal.example/notify"
	"packseal.example/notify/notifytest"
)

func contextWithin(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

// TestIncidents: a pack has one incident, which its recovery ends; of what has
// happened to it meanwhile, the last counts.
func TestIncidents(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	of := func(k notify.Kind, pack string) notify.Event {
		return notify.Event{Kind: k, Source: "prod", Pack: pack, Name: "MLPS", Zone: "Asia/Shanghai", Due: time.Date(2026, 3, 30, 18, 0, 0, 0, time.UTC)}
	}
	problems := notify.Event{Kind: notify.Problems, Counts: map[string]int{"altered": 1}}
	for name, c := range map[string]struct {
		message notify.Message
		want    []string
	}{
		"a gap":      {notify.Message{Events: []notify.Event{of(notify.Gap, "cp-1")}}, []string{"trigger packseal/prod/cp-1 error packseal: title"}},
		"each pack":  {notify.Message{Events: []notify.Event{of(notify.Gap, "cp-1"), of(notify.Blocked, "cp-2")}}, []string{"trigger packseal/prod/cp-1 error packseal: gap: MLPS, due 2026-03-31 02:00 Asia/Shanghai (2026-03-30 18:00 UTC)", "trigger packseal/prod/cp-2 critical packseal: blocked: MLPS, due"}},
		"of no pack": {notify.Message{Events: []notify.Event{problems, {Kind: notify.ReloadFailed}, of(notify.Gap, "cp-1")}}, []string{"trigger packseal/host/verify critical packseal: verification found problems {", "trigger packseal/host/reload warning packseal: configuration not loaded {", "trigger packseal/prod/cp-1 error"}},
		"recovered":  {notify.Message{Events: []notify.Event{of(notify.Overdue, "cp-1"), of(notify.Recovered, "cp-1")}}, []string{"resolve packseal/prod/cp-1"}},
		"gone again": {notify.Message{Events: []notify.Event{of(notify.Recovered, "cp-1"), of(notify.Gap, "cp-1")}}, []string{"trigger packseal/prod/cp-1 error"}},
		"problems":   {notify.Message{Events: []notify.Event{problems}}, []string{"trigger packseal/host/verify critical"}},
		"none any":   {notify.Message{Events: []notify.Event{{Kind: notify.Problems}}}, []string{"resolve packseal/host/verify"}},
		"a reload":   {notify.Message{Events: []notify.Event{{Kind: notify.ReloadFailed}}}, []string{"trigger packseal/host/reload warning"}},
		"a test":     {notify.Message{Test: true}, []string{"trigger packseal/test info", "resolve packseal/test"}},
		"a digest":   {notify.Message{ID: "1", Digest: new(notify.Digest)}, []string{"trigger packseal/digest/1 info"}},
		"a long key": {notify.Message{Events: []notify.Event{of(notify.Gap, long)}}, []string{"trigger packseal/"}},
	} {
		s := &notifytest.Server{Token: token}
		c.message.Title, c.message.Instance, c.message.Time = "packseal: title", "host", time.Now()
		channel := open(t, opener(t, notifytest.PagerDuty, "http://127.0.0.1", token, ""), s)
		if err := channel.Send(t.Context(), c.message); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := s.Taken(notifytest.PagerDuty)
		if len(got) != len(c.want) {
			t.Errorf("%s: took %v", name, got)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(got[i].Text, want) {
				t.Errorf("%s: got %s, want %s", name, got[i].Text, want)
			}
		}
	}
	if traits := open(t, opener(t, notifytest.PagerDuty, "http://127.0.0.1", token, ""), nil).Traits(); traits.PerMinute*traits.Events > 120 || !traits.Incidents {
		t.Error(fmt.Sprint("traits are ", traits))
	}
}
