package audit_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/archive/audit"
	"packseal.example/archive/audit/audittest"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
)

// eventful returns a ledger in which all that a statement has happened.
func eventful(t testing.TB) *audittest.Ledger {
	l := audittest.New(t)
	l.Each = func(l *audittest.Ledger, now time.Time) {
		switch {
		case now.Equal(audittest.Moment(4, 0, 0)):
			l.Plan(now, l.Packs[0], l.Packs[1], audittest.Planned("cp-4", "0 5 * * *"))
		case now.Equal(audittest.Moment(6, 0, 0)):
			l.Plan(now, l.Packs...)
		case now.Equal(audittest.Moment(9, 0, 0)):
			l.SealAt(evidence.Slot{Source: "prod", Pack: "cp-1", Due: audittest.Moment(7, 2, 0)}, now)
		}
	}
	l.Seal = func(l *audittest.Ledger, s evidence.Slot) {
		switch day := s.Due.Day(); {
		case s.Pack == "cp-1" && day == 3:
			l.GapAt(s, s.Due.Add(time.Hour))
		case s.Pack == "cp-1" && (day == 5 || day == 7):
		case s.Pack == "cp-2" && day == 5:
			m, _ := audittest.Manifest(s, s.Due.Add(time.Minute))
			raw, _ := evidence.Encode(m)
			l.Log(tree.FoundKey(s.ManifestKey()), raw)
		default:
			l.SealAt(s, s.Due.Add(5*time.Minute))
		}
	}
	l.Run(audittest.Moment(1, 0, 0), audittest.Moment(12, 0, 0))
	return l
}

// TestStatement: a statement's form, which others read, and that it is the same each
// time.
func TestStatement(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile(filepath.Join("testdata", "statement.golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	l := eventful(t)
	for range 3 {
		s, err := audit.Compute(l.Input(audittest.March(2, 10)))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.TrimSpace(string(want)), string(raw)); diff != "" {
			t.Fatalf("-want +got\n%s", diff)
		}
	}
	var value any
	if err := json.Unmarshal(want, &value); err != nil {
		t.Fatal(err)
	}
	sorted, err := evidence.Canonical(value)
	if err != nil || string(sorted) != strings.TrimSpace(string(want)) {
		t.Errorf("its fields are not in the order of their keys: %v\n%s", err, sorted)
	}
}

// TestPacks: a statement of some packs counts no others.
func TestPacks(t *testing.T) {
	t.Parallel()
	l := eventful(t)
	p := audittest.March(2, 10)
	whole, err := audit.Compute(l.Input(p))
	if err != nil {
		t.Fatal(err)
	}
	var sum audit.Counts
	for _, pack := range []string{"prod/cp-1", "prod/cp-2", "prod/cp-3", "prod/cp-4"} {
		p.Packs = []string{pack}
		s, err := audit.Compute(l.Input(p))
		if err != nil {
			t.Fatal(err)
		}
		for _, slot := range s.Missing {
			if slot.Source+"/"+slot.Pack != pack {
				t.Errorf("of %s: %v is missing", pack, slot)
			}
		}
		c := s.Counts
		if n := c.Sealed + c.Gap + c.Found + c.Missing + len(s.Open); c.Expected != n {
			t.Errorf("of %s, %d were expected and %d are told of", pack, c.Expected, n)
		}
		sum.Expected += c.Expected
		sum.Found += c.Found
		sum.Gap += c.Gap
		sum.Late += c.Late
		sum.Missing += c.Missing
		sum.Pruned += c.Pruned
		sum.Sealed += c.Sealed
		sum.Unscheduled += c.Unscheduled
	}
	if diff := cmp.Diff(whole.Counts, sum); diff != "" {
		t.Errorf("the packs together differ: -whole +sum\n%s", diff)
	}
}

// TestEdge: what is not an edge is refused.
func TestEdge(t *testing.T) {
	t.Parallel()
	l, _ := small(t)
	e := tree.Edge{}.Add(l.Entries[:7])
	raw := audit.FormatEdge(e)
	if got, err := audit.ParseEdge(raw); err != nil || got.Root() != e.Root() || got.Size != 7 {
		t.Errorf("%s is read as %v, %v", raw, got, err)
	}
	if got, err := audit.ParseEdge([]byte("size 0\n")); err != nil || got.Size != 0 {
		t.Errorf("the empty edge is read as %v, %v", got, err)
	}
	line := strings.SplitAfter(string(raw), "\n")
	for name, bad := range map[string]string{
		"empty": "", "no size": strings.Join(line[1:], ""), "size alone": line[0], "a hash less": strings.Join(line[:3], ""), "zeros": "size 07\n" + strings.Join(line[1:], ""),
		"negative": "size -1\n", "CR": strings.ReplaceAll(string(raw), "\n", "\r\n"), "without end": strings.TrimSuffix(string(raw), "\n"), "a line more": string(raw) + "\n",
	} {
		if _, err := audit.ParseEdge([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestLimits: each limit has its sentence in both languages.
func TestLimits(t *testing.T) {
	t.Parallel()
	texts := map[string]bool{}
	all := []audit.Limit{audit.LimitTruth, audit.LimitRecent, audit.LimitCollusion, audit.LimitUnplanned, audit.LimitBefore, audit.LimitTime}
	for _, l := range all {
		texts[l.Text(audit.English)], texts[l.Text(audit.Chinese)] = true, true
	}
	if len(texts) != 2*len(all) || texts[""] {
		t.Errorf("%q", slices.Sorted(maps.Keys(texts)))
	}
}
