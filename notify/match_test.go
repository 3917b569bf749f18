package notify

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	labels := map[string]string{"system": "pay", "owner": "sec"}
	for name, c := range map[string]struct {
		match Match
		want  bool
	}{
		"all":             {Match{}, true},
		"source":          {Match{Sources: []string{"test", "prod"}}, true},
		"another source":  {Match{Sources: []string{"test"}}, false},
		"key":             {Match{Packs: []string{"ca-1/cp-1"}}, true},
		"source and key":  {Match{Packs: []string{"prod/ca-1/cp-1"}}, true},
		"another pack":    {Match{Packs: []string{"test/ca-1/cp-1", "cp-1"}}, false},
		"labels":          {Match{Labels: map[string]string{"system": "pay", "owner": "sec"}}, true},
		"another value":   {Match{Labels: map[string]string{"system": "pay", "owner": "ops"}}, false},
		"no such label":   {Match{Labels: map[string]string{"tier": "1"}}, false},
		"all of them":     {Match{[]string{"prod"}, []string{"ca-1/cp-1"}, labels}, true},
		"all but one":     {Match{[]string{"prod"}, []string{"cp-2"}, labels}, false},
		"all but another": {Match{[]string{"test"}, []string{"ca-1/cp-1"}, labels}, false},
	} {
		if got := c.match.Pack("prod", "ca-1/cp-1", labels); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestRouting: a channel for some packs is told of those, of what blocks them even
// if it blocked others before, and of packseal itself only when asked.
func TestRouting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		all, pay, asked := new(chat), new(chat), new(chat)
		match := Match{Labels: map[string]string{"system": "pay"}}
		entry := func(c *chat, name string, m Match, on ...Kind) Entry {
			e := c.entry()
			e.Name, e.Match, e.On, e.Spec = name, m, on, []any{name, m}
			return e
		}
		w := newFixture(t)
		n, stop := w.start(t, entry(all, "all", Match{}, Gap, Blocked, Problems, Recovered), entry(pay, "pay", match, Gap, Blocked, Recovered), entry(asked, "asked", match, Problems))
		of := func(pack, system string) Event {
			e := now(pack)
			e.Labels, e.Hint = map[string]string{"system": system}, "allow it"
			return e
		}
		missed := of("cp-1", "web")
		n.Gap(missed)
		n.Blocked(of("cp-2", "web"))
		n.Blocked(of("cp-3", "pay"))
		rest(time.Hour)
		all.want(t, "gaps in 1 pack, 1 pack blocked")
		w.set(func() { w.problems = map[string]int{"altered": 1} })
		rest(time.Hour)
		all.want(t, "gaps in 1 pack, 1 pack blocked", "verification result changed")
		pay.want(t, "1 pack blocked")
		asked.want(t, "verification result changed")
		// What it missed while it was not for that pack is not news when it is.
		n.Update([]Entry{entry(pay, "pay", Match{}, Gap, Recovered)})
		n.Gap(missed)
		rest(time.Hour)
		n.Sealed(of("cp-1", "web"))
		rest(time.Hour)
		pay.want(t, "1 pack blocked", "1 pack recovered")
		stop()
	})
}

// TestKinds: what a channel is sent when nothing is said of that.
func TestKinds(t *testing.T) {
	t.Parallel()
	some := Match{Sources: []string{"prod"}}
	for _, c := range []struct {
		entry Entry
		want  []Kind
	}{
		{Entry{Channel: new(chat)}, Kinds()},
		{Entry{Channel: new(chat), Match: some}, []Kind{Gap, Blocked, Overdue, NotListed, NotKept, Gone, Recovered, Found, DigestDue}},
		{Entry{Channel: &chat{traits: Traits{Incidents: true}}}, []Kind{Gap, Blocked, Problems, Overdue, ReloadFailed, Recovered}},
		{Entry{Channel: &chat{traits: Traits{Incidents: true}}, Match: some, On: []Kind{DigestDue, Problems}}, []Kind{DigestDue, Problems}},
	} {
		if diff := cmp.Diff(c.want, c.entry.kinds()); diff != "" {
			t.Errorf("%+v: %s", c.entry, diff)
		}
	}
}

// TestFewEvents: a channel that can only be sent some events at a time gets the
// others in further messages.
func TestFewEvents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := &chat{traits: Traits{Events: 2}}
		n, stop := newFixture(t).start(t, c.entry())
		for _, p := range []string{"cp-1", "cp-2", "cp-3"} {
			n.Gap(now(p))
		}
		rest(time.Hour)
		c.want(t, "gaps in 2 packs", "gaps in 1 pack")
		stop()
	})
}

func TestLinks(t *testing.T) {
	t.Parallel()
	r := func(page, language string) renderer {
		return newRenderer(Entry{Page: page, Language: language}, "host")
	}
	named := event(Gap, "ca-1/cp-1", 0)
	named.Name = "MLPS"
	const page = "https://packseal.example.com/on/"
	for name, c := range map[string]struct {
		message Message
		want    []string
	}{
		"nowhere":   {r("", "en").events([]Event{named}, 0), nil},
		"a gap":     {r(page, "both").events([]Event{named, named}, 0), []string{"MLPS " + page + "packs/prod/ca-1/cp-1", "Runbook (gap) " + runbook + "#gap"}},
		"two kinds": {r(page, "zh").events([]Event{event(Overdue, "cp 2?", 0), blockedBy("cp-3", 0, "x")}, 0), []string{"prod/cp 2? " + page + "packs/prod/cp%202%3F", "prod/cp-3 " + page + "packs/prod/cp-3", "处理手册 (overdue) " + runbook + "#overdue", "处理手册 (refused) " + runbook + "#refused"}},
		"many":      {r(page, "en").events([]Event{event(Gap, "a", 0), event(Gap, "b", 0), event(Gap, "c", 0), event(Gap, "d", 0)}, 0), []string{"All packs " + page, "Runbook (gap) " + runbook + "#gap"}},
		"no pack":   {r(page, "en").events([]Event{{Kind: Problems, Counts: map[string]int{"altered": 1}}}, 0), []string{"All packs " + page, "Runbook (verify-damage) " + runbook + "#verify-damage"}},
		"not kept":  {r(page, "en").events([]Event{event(NotKept, "cp-1", 0)}, 0), []string{"All packs " + page, "Runbook (pack-not-kept) " + runbook + "#pack-not-kept"}},
		"a digest":  {r(page, "en").digest(Digest{}), []string{"All packs " + page}},
		"a test":    {r("https://packseal.example.com", "zh").test("c"), []string{"全部合规包 https://packseal.example.com/"}},
	} {
		var got []string
		for _, l := range c.message.Links {
			got = append(got, l.Text+" "+l.URL)
			if !strings.Contains(c.message.Text(), l.Text+": "+l.URL+"\n") {
				t.Errorf("%s: no link in %s", name, c.message.Text())
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestRunbookSections: each link into the runbook leads to a section.
func TestRunbookSections(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, k := range Kinds() {
		if a := k.anchor(); a != "" {
			n++
			if heading := "\n## " + strings.ReplaceAll(a, "-", " ") + "\n"; !strings.Contains(strings.ToLower(string(text)), heading) {
				t.Errorf("%s: no section %s", k, a)
			}
		}
	}
	if n < 5 {
		t.Errorf("%d kinds have a section", n)
	}
}

// TestNotListed: that a source can't be listed is sent to whom its packs are reported,
// those of a member account with the source that lists it.
func TestNotListed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		all, prod, other := new(chat), new(chat), new(chat)
		entry := func(c *chat, name string, m Match) Entry {
			e := c.entry()
			e.Name, e.Match, e.On = name, m, []Kind{NotListed}
			return e
		}
		w := newFixture(t)
		n, stop := w.start(t, entry(all, "all", Match{}), entry(prod, "prod", Match{Sources: []string{"prod"}}), entry(other, "other", Match{Sources: []string{"other"}}))
		for _, account := range []string{"1001", "1002"} {
			n.NotListed(Event{Source: "prod." + account, Name: "account " + account, At: time.Now(), Reason: "credentials", Detail: "NoPermission", Hint: "allow sts:AssumeRole in " + account})
		}
		rest(time.Hour)
		all.want(t, "2 sources not listed")
		prod.want(t, "2 sources not listed")
		other.want(t)
		stop()
	})
}
