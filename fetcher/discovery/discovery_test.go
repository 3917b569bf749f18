package discovery

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// source is a source in memory: the keys of its packs in the order of a listing.
type source struct {
	packs   []string          // "cp-…" or "ca-…/cp-…"
	groups  []string          // with a "?" after those that are being created
	hidden  map[string]bool   // packs that exist, but that listings lack
	account map[string]string // of packs; default 12
	fails   map[string]error  // of listing an account group, "" the account, "groups" all groups, or of asking for a pack
	asked   []string          // packs that were asked for
	calls   int
}

func (s *source) Packs(_ context.Context, aggregator string) iter.Seq2[fetcher.PackInfo, error] {
	return func(yield func(fetcher.PackInfo, error) bool) {
		s.calls++
		for _, key := range s.packs {
			ref := evidence.Ref("prod", key)
			if ref.Aggregator != aggregator || ref.Kind() == evidence.Template || s.hidden[key] {
				continue
			}
			account := s.account[key]
			if account == "" {
				account = "12"
			}
			if !yield(fetcher.PackInfo{ID: ref.ID, Aggregator: aggregator, Account: account, Status: "ACTIVE"}, nil) {
				return
			}
		}
		if err := s.fails[aggregator]; err != nil {
			yield(fetcher.PackInfo{}, err)
		}
	}
}

func (s *source) Aggregators(context.Context) iter.Seq2[fetcher.AggregatorInfo, error] {
	return func(yield func(fetcher.AggregatorInfo, error) bool) {
		for _, g := range s.groups {
			id, creating := strings.CutSuffix(g, "?")
			if !yield(fetcher.AggregatorInfo{ID: id, Creating: creating}, nil) {
				return
			}
		}
		if err := s.fails["groups"]; err != nil {
			yield(fetcher.AggregatorInfo{}, err)
		}
	}
}

func (s *source) Templates(context.Context) iter.Seq2[fetcher.PackInfo, error] {
	return func(yield func(fetcher.PackInfo, error) bool) {
		s.calls++
		for _, key := range s.packs {
			if strings.HasPrefix(key, "crt-") && !s.hidden[key] && !yield(fetcher.PackInfo{ID: key, Name: "template " + key}, nil) {
				return
			}
		}
		if err := s.fails["templates"]; err != nil {
			yield(fetcher.PackInfo{}, err)
		}
	}
}

func (s *source) Gone(_ context.Context, p evidence.PackRef) (bool, error) {
	s.asked = append(s.asked, p.Key())
	if err := s.fails[p.Key()]; err != nil {
		return false, err
	}
	return !slices.Contains(s.packs, p.Key()), nil
}

// look is one look at the source, after a minute.
func (s *source) look(t *testing.T, st *State, scope Scope) Changes {
	t.Helper()
	time.Sleep(time.Minute)
	next, changes, err := Refresh(t.Context(), s, "prod", scope, *st)
	if err != nil {
		t.Fatal(err)
	}
	*st = next
	return changes
}

// keys are those of packs.
func keys(packs []Pack) string {
	var all []string
	for _, p := range packs {
		all = append(all, p.Ref("prod").Key())
	}
	return strings.Join(all, " ")
}

// reasons are those of the troubles, with ~ before those that pass.
func (s State) reasons() string {
	var all []string
	for _, t := range s.Troubles {
		reason := t.Aggregator + ":" + string(t.Reason)
		if t.Passing {
			reason = "~" + reason
		}
		all = append(all, reason)
	}
	return strings.Join(all, " ")
}

// TestComeAndGo: a pack is new once, and gone only after two listings without it and
// the source's own word.
func TestComeAndGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, st, scope := &source{packs: []string{"cp-1", "cp-2", "ca-1/cp-1"}}, State{}, Scope{Aggregators: []string{"ca-1"}}
		if c := s.look(t, &st, scope); keys(c.Found) != "cp-1 cp-2 ca-1/cp-1" || !st.Packs[0].Found.IsZero() || !st.Known() || st.Failing() != nil {
			t.Errorf("the first look: %+v, %+v", c, st)
		}
		s.packs = append(s.packs, "cp-3")
		if c := s.look(t, &st, scope); keys(c.Found) != "cp-3" || !st.Packs[2].Found.Equal(time.Now()) || !st.Listed.Equal(time.Now()) {
			t.Errorf("a pack that came: %+v, %+v", c, st)
		}
		s.hidden = map[string]bool{"cp-2": true}
		for i, asked := range []int{0, 1, 2} { // a listing may lack it, for ever
			if c := s.look(t, &st, scope); len(c.Gone)+len(c.Found) > 0 || len(s.asked) != asked || st.Packs[1].Missed != i+1 {
				t.Errorf("hidden %d times: %+v, asked %v", i+1, c, s.asked)
			}
		}
		s.hidden = nil
		s.look(t, &st, scope)
		if st.Packs[1].Missed != 0 {
			t.Errorf("seen again: %+v", st.Packs[1])
		}
		s.packs = s.packs[:1]
		s.fails = map[string]error{"cp-3": fault.New(fault.Denied, "no").WithHint("allow it")}
		if c := s.look(t, &st, scope); len(c.Gone) > 0 {
			t.Errorf("gone after one listing: %+v", c)
		}
		if c := s.look(t, &st, scope); keys(c.Gone) != "cp-2 ca-1/cp-1" || keys(st.Packs) != "cp-1 cp-3" || st.reasons() != "~:denied" {
			t.Errorf("gone: %+v, left %s, %s", c, keys(st.Packs), st.reasons())
		}
		s.fails, s.packs = nil, append(s.packs, "cp-2")
		if c := s.look(t, &st, scope); keys(c.Found) != "cp-2" || keys(c.Gone) != "cp-3" {
			t.Errorf("one is back and one gone: %+v", c)
		}
	})
}

// TestWhatIsNotListed: what could not be listed says nothing of its packs.
func TestWhatIsNotListed(t *testing.T) {
	t.Parallel()
	all := []string{"cp-1", "ca-1/cp-2", "ca-2/cp-3"}
	down := fault.New(fault.Unavailable, "down")
	for name, c := range map[string]struct {
		then     source // the source, two looks later
		left     string // packs that are known then
		reasons  string
		complete bool
	}{
		"all is well":             {source{packs: all, groups: []string{"ca-1", "ca-2"}}, "cp-1 ca-1/cp-2 ca-2/cp-3", "", true},
		"a group that is gone":    {source{packs: all[:2], groups: []string{"ca-1"}}, "cp-1 ca-1/cp-2", "", true},
		"a group that fails":      {source{packs: all[:1], groups: []string{"ca-1", "ca-2"}, fails: map[string]error{"ca-2": down}}, "cp-1 ca-2/cp-3", "ca-2:unavailable", false},
		"groups that fail":        {source{packs: all[:1], groups: []string{"ca-1"}, fails: map[string]error{"groups": down}}, "cp-1 ca-2/cp-3", ":unavailable", false},
		"the account fails":       {source{packs: all[1:], groups: []string{"ca-1", "ca-2"}, fails: map[string]error{"": down}}, "cp-1 ca-1/cp-2 ca-2/cp-3", ":unavailable", false},
		"a group being created":   {source{packs: all[:2], groups: []string{"ca-1", "ca-2?"}}, "cp-1 ca-1/cp-2 ca-2/cp-3", "~ca-2:not_ready", true},
		"a group that is refused": {source{packs: all[:2], groups: []string{"ca-1", "ca-2"}, fails: map[string]error{"ca-2": fault.New(fault.NotFound, "none")}}, "cp-1 ca-1/cp-2", "ca-2:not_found", true},
		"nothing at all":          {source{}, "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, st, scope := &source{packs: all, groups: []string{"ca-1", "ca-2"}}, State{}, Scope{All: true}
				s.look(t, &st, scope)
				before := st.Listed
				c.then.look(t, &st, scope)
				c.then.look(t, &st, scope)
				if keys(st.Packs) != c.left || st.reasons() != c.reasons || st.Listed.Equal(before) == c.complete {
					t.Errorf("left %q, troubles %q, listed %s", keys(st.Packs), st.reasons(), st.Listed)
				}
			})
		})
	}
}

// TestScopeChanges: packs of a group that nobody wants to know of any more are
// neither kept in mind nor gone.
func TestScopeChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, st := &source{packs: []string{"cp-1", "ca-1/cp-2", "ca-2/cp-2"}, groups: []string{"ca-1", "ca-2"}}, State{}
		if s.look(t, &st, Scope{All: true}); keys(st.Packs) != "cp-1 ca-1/cp-2 ca-2/cp-2" { // one pack in two groups is two
			t.Errorf("all: %s", keys(st.Packs))
		}
		if c := s.look(t, &st, Scope{Aggregators: []string{"ca-2"}}); keys(st.Packs) != "cp-1 ca-2/cp-2" || len(c.Gone) > 0 {
			t.Errorf("one group: %s, gone %v", keys(st.Packs), c.Gone)
		}
		for _, other := range []Scope{{}, {All: true}, {Aggregators: []string{"ca-1"}}, {Aggregators: []string{"ca-2"}, Templates: []string{"crt-1"}}} {
			if st.Scope.Equal(other) || !other.Equal(other) {
				t.Errorf("%+v is not %+v", st.Scope, other)
			}
		}
	})
}

// TestTemplates: of report templates those are listed that somebody names; one that was
// deleted is gone like a pack, and one that can't be listed is not.
func TestTemplates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, st, scope := &source{packs: []string{"cp-1", "crt-1", "crt-2", "crt-2", "crt-3"}}, State{}, Scope{Templates: []string{"crt-1", "crt-2", "crt-4"}}
		if c := s.look(t, &st, scope); keys(c.Found) != "cp-1 crt-1 crt-2" || c.Found[1].Name != "template crt-1" || !st.Known() {
			t.Errorf("the first look: %+v", c)
		}
		s.fails = map[string]error{"templates": fault.New(fault.Denied, "no").WithHint("allow it")}
		s.packs = []string{"cp-1", "crt-2"}
		for range 3 {
			if c := s.look(t, &st, scope); len(c.Gone) > 0 || st.reasons() != ":denied" {
				t.Errorf("templates can't be listed: %+v, %s", c, st.reasons())
			}
		}
		s.fails = nil
		if c := s.look(t, &st, scope); len(c.Gone) > 0 {
			t.Errorf("gone after one listing: %+v", c)
		}
		if c := s.look(t, &st, scope); keys(c.Gone) != "crt-1" || keys(st.Packs) != "cp-1 crt-2" {
			t.Errorf("gone: %+v, left %s", c, keys(st.Packs))
		}
		before := s.calls
		if s.look(t, &st, Scope{}); keys(st.Packs) != "cp-1" || s.calls != before+1 {
			t.Errorf("nobody names one: %s, %d calls", keys(st.Packs), s.calls-before)
		}
	})
}

// TestAnotherAccount: with the credentials of another account, no pack of the first
// one is gone.
func TestAnotherAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, st := &source{packs: []string{"cp-1", "cp-2"}}, State{}
		s.look(t, &st, Scope{})
		listed := st.Listed
		other := &source{packs: []string{"cp-8", "cp-9"}, account: map[string]string{"cp-8": "34", "cp-9": "34"}}
		for range 3 {
			c := other.look(t, &st, Scope{})
			if len(c.Found)+len(c.Gone) > 0 || keys(st.Packs) != "cp-1 cp-2" || !st.Listed.Equal(listed) || fault.Of(st.Failing()) != fault.Credentials ||
				!strings.Contains(st.Failing().Error(), "account 34") || fault.Hint(st.Failing()) == "" {
				t.Errorf("%+v, %+v", c, st)
			}
		}
		other.packs = append(other.packs, "cp-1") // it was the owner of the pack that the API named, not the account
		if c := other.look(t, &st, Scope{}); keys(c.Found) != "cp-8 cp-9" || st.Failing() != nil {
			t.Errorf("with a pack in common: %+v", c)
		}
	})
}

// TestOddNames: an ID that can't be part of a name is left out, in so many words.
func TestOddNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, st := &source{packs: []string{"cp-1", "cp-\x00\x1b[31m", "", "cp-a b", "cp-..", "../../etc", "rules", "cp-" + strings.Repeat("x", 200)}, groups: []string{"ca-\n", "ca-1"}}, State{}
		for i := range 100 {
			s.packs = append(s.packs, fmt.Sprintf("%d", i))
		}
		c := s.look(t, &st, Scope{All: true})
		if keys(c.Found) != "cp-.. cp-1" || !st.Known() {
			t.Errorf("found %q", keys(c.Found))
		}
		if n := len(st.Troubles); n != maxUnusable {
			t.Errorf("%d troubles", n)
		}
		for _, trouble := range st.Troubles {
			if strings.ContainsAny(trouble.Message, "\x00\x1b\n") || len(trouble.Message) > 300 || !strings.Contains(trouble.Message, "left out") {
				t.Errorf("%q", trouble.Message)
			}
		}
	})
}

// TestMany: a listing of 10,000 packs is merged, kept, and small enough to be shared
// in one message of 1 MB.
func TestMany(t *testing.T) {
	t.Parallel()
	s, st, scope := &source{}, State{}, Scope{}
	for g := range 10 {
		scope.Aggregators = append(scope.Aggregators, fmt.Sprintf("ca-%d", g))
		for i := range 1000 {
			s.packs = append(s.packs, fmt.Sprintf("ca-%d/cp-%020x", g, uint64(g*1000+i+1)*0x9E3779B97F4A7C15))
		}
	}
	st, c, err := Refresh(t.Context(), s, "prod", scope, st)
	if err != nil || len(c.Found) != 10_000 {
		t.Fatalf("%d packs, %v", len(c.Found), err)
	}
	b, err := st.Encode()
	if err != nil || len(b) > 1<<20 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	back, err := Decode(b)
	if err != nil || len(back.Packs) != 10_000 || back.Packs[9_999].ID != st.Packs[9_999].ID {
		t.Errorf("%d packs are back, %v", len(back.Packs), err)
	}
	for range missedBefore { // the next looks find none of them
		if st, c, err = Refresh(t.Context(), &source{}, "prod", scope, st); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.Gone) != 10_000 || len(st.Packs) != 0 {
		t.Errorf("%d are gone, %d left", len(c.Gone), len(st.Packs))
	}
}

// TestCanceled: a look that is cut off changes nothing.
func TestCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	cancel(why)
	old := State{Listed: time.Unix(1, 0), Packs: []Pack{{PackInfo: fetcher.PackInfo{ID: "cp-1"}, Missed: 1}}}
	st, _, err := Refresh(ctx, &source{}, "prod", Scope{}, old)
	if !errors.Is(err, why) || st.Packs[0].Missed != 1 {
		t.Errorf("%v, %+v", err, st)
	}
}

// TestReplaces: of what replicas share, the latest look counts, by its number; of two
// with one number, the one that is shared.
func TestReplaces(t *testing.T) {
	t.Parallel()
	at := func(revision, second int64) State { return State{Revision: int(revision), Tried: time.Unix(second, 0)} }
	for _, c := range []struct {
		shared, own State
		want        bool
	}{
		{at(2, 1), at(1, 9), true}, {at(1, 9), at(2, 1), false}, {at(2, 1), at(2, 1), false}, {at(2, 1), at(2, 9), true}, {State{}, State{}, false},
	} {
		if got := c.shared.Replaces(c.own); got != c.want {
			t.Errorf("%+v for %+v: %t", c.shared, c.own, got)
		}
	}
}
