package audit_test

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"packseal.example/archive/audit"
	"packseal.example/archive/audit/audittest"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// march5 is a slot in the middle of the tests' period.
var march5 = evidence.Slot{Source: "prod", Pack: "cp-2", Due: audittest.Moment(5, 2, 0)}

// unless returns a seal that does something else with the slot march5.
func unless(other func(l *audittest.Ledger)) func(*audittest.Ledger, evidence.Slot) {
	return func(l *audittest.Ledger, s evidence.Slot) {
		if s == march5 {
			other(l)
			return
		}
		l.SealAt(s, s.Due.Add(5*time.Minute))
	}
}

const records = "records/2026-03.jsonl"

var attacks = []attack{
	{name: "record altered", words: "altered unlogged", bundle: func(f audittest.Files, _ *audittest.Ledger) {
		f[records] = bytes.Replace(f[records], []byte(`"name":"Pack"`), []byte(`"name":"Pick"`), 1)
	}},
	{name: "record made unreadable", words: "unarchived unlogged", bundle: func(f audittest.Files, _ *audittest.Ledger) {
		f[records] = bytes.Replace(f[records], []byte(`"schema"`), []byte(`"scheme"`), 1)
	}},
	{name: "entry removed", words: "altered", bundle: func(f audittest.Files, _ *audittest.Ledger) {
		set(f, audit.LeavesName, slices.Delete(lines(f, audit.LeavesName), 5, 6))
	}},
	{name: "entries swapped", words: "altered", bundle: func(f audittest.Files, _ *audittest.Ledger) {
		lines := lines(f, audit.LeavesName)
		lines[7], lines[8] = lines[8], lines[7]
		set(f, audit.LeavesName, lines)
	}},
	{name: "entry added", words: "altered", bundle: func(f audittest.Files, _ *audittest.Ledger) {
		set(f, audit.LeavesName, slices.Insert(lines(f, audit.LeavesName), 5, []byte(tree.Of("prod/cp-9/2026/03/20260305T020000Z/manifest.json", nil).String())))
	}},
	{name: "entry added at the end", words: "altered", bundle: func(f audittest.Files, _ *audittest.Ledger) {
		set(f, audit.LeavesName, append(lines(f, audit.LeavesName), []byte(tree.Of("prod/cp-9/2026/03/20260305T020000Z/manifest.json", nil).String())))
	}},
	{name: "edge altered", words: "altered", bundle: func(f audittest.Files, l *audittest.Ledger) {
		f[audit.EdgeName] = audit.FormatEdge(tree.Edge{}.Add(l.Entries[:4]))
	}},
	{name: "records left out", words: "unarchived unlogged", bundle: func(f audittest.Files, _ *audittest.Ledger) {
		set(f, records, slices.Delete(lines(f, records), 3, 5))
	}},
	{name: "record added", words: "unlogged", bundle: func(f audittest.Files, _ *audittest.Ledger) {
		m, _ := audittest.Manifest(evidence.Slot{Source: "prod", Pack: "cp-9", Due: audittest.Moment(5, 2, 0)}, audittest.Moment(5, 2, 5))
		raw, _ := evidence.Encode(m)
		set(f, records, append(lines(f, records), raw))
	}},
	{name: "record twice", words: "doubled", bundle: func(f audittest.Files, _ *audittest.Ledger) {
		lines := lines(f, records)
		set(f, records, append(lines, bytes.Clone(lines[0])))
	}},
	{name: "last checkpoint left out", words: "altered", bundle: func(f audittest.Files, _ *audittest.Ledger) {
		delete(f, last(f, "checkpoints/", ".tsa.tsr"))
		delete(f, last(f, "checkpoints/", ""))
	}},
	{name: "cut to an older size", words: "claim open short unlogged", bundle: cutShort},
	{name: "cut to an older size, and a known line", words: "claim open rolled_back short unlogged", bundle: cutShort, options: func(o *audit.Options, l *audittest.Ledger) {
		o.Known = []string{"ledger " + l.Checkpoints[len(l.Checkpoints)-1].Head.String()}
	}},
	{name: "period that is not over", words: "open short", before: func(l *audittest.Ledger) {
		l.Each = func(l *audittest.Ledger, now time.Time) {
			if now.Equal(audittest.Moment(8, 22, 0)) {
				l.Slate(audittest.Moment(11, 0, 0))
			}
		}
	}, after: func(l *audittest.Ledger) {
		for l.Checkpoints[len(l.Checkpoints)-1].Tokens["tsa"].After(audittest.Moment(9, 1, 0)) {
			l.Checkpoints = l.Checkpoints[:len(l.Checkpoints)-1]
		}
	}},
	{name: "token of another checkpoint", words: "claim token", bundle: func(f audittest.Files, l *audittest.Ledger) {
		f[audit.TokenName(60, "tsa")] = f[audit.TokenName(61, "tsa")]
	}},
	{name: "tokens not looked at", options: func(o *audit.Options, _ *audittest.Ledger) { o.Stamps = nil }, says: func(s *audit.Statement) bool {
		return s.Counts.Sealed == 27 && s.Stamps.Count == 0 && s.NotProven[len(s.NotProven)-2] == audit.LimitTime
	}},
	{name: "no tokens", words: "unstamped", bundle: func(f audittest.Files, _ *audittest.Ledger) {
		for name := range f {
			if strings.HasSuffix(name, ".tsr") {
				delete(f, name)
			}
		}
	}},
	{name: "checkpoint altered", words: "altered", bundle: func(f audittest.Files, l *audittest.Ledger) {
		c := l.Checkpoints[60]
		other := c.Head
		other.Root[0] ^= 1
		f[audit.CheckpointName(60)] = []byte(strings.Replace(string(c.Raw), c.Head.Text(), other.Text(), 1))
	}},
	{name: "signature altered", words: "claim token unsigned", bundle: func(f audittest.Files, l *audittest.Ledger) {
		raw := bytes.Clone(f[audit.CheckpointName(60)])
		raw[len(raw)-20] ^= 1
		f[audit.CheckpointName(60)] = raw
	}},
	{name: "two signatures of one key", words: "claim token unsigned", bundle: func(f audittest.Files, l *audittest.Ledger) {
		raw := bytes.Clone(f[audit.CheckpointName(60)])
		lines := bytes.SplitAfter(raw, []byte("\n"))
		other := bytes.Clone(lines[len(lines)-2])
		other[len(other)-20] ^= 1
		f[audit.CheckpointName(60)] = append(raw, other...)
	}},
	{name: "report replaced", words: "altered", bundle: func(f audittest.Files, _ *audittest.Ledger) {
		name := last(f, "reports/", ".xls")
		f[name] = append([]byte("x"), f[name][1:]...)
	}},
	{name: "report longer", words: "altered", bundle: func(f audittest.Files, _ *audittest.Ledger) {
		name := last(f, "reports/", ".xls")
		f[name] = append(f[name], make([]byte, 1<<20)...)
	}},
	{name: "report of no manifest", words: "unlogged", bundle: func(f audittest.Files, _ *audittest.Ledger) { f["reports/prod/cp-1/x"] = []byte("x") }},
	{name: "slot skipped", words: "missing", before: func(l *audittest.Ledger) { l.Seal = unless(func(*audittest.Ledger) {}) }, says: func(s *audit.Statement) bool {
		return slices.Equal(s.Missing, []audit.Slot{{Due: march5.Due, Pack: march5.Pack, Source: march5.Source}}) && s.Counts.Missing == 1
	}},
	{name: "slot skipped, and the statement says otherwise", words: "claim missing", before: func(l *audittest.Ledger) { l.Seal = unless(func(*audittest.Ledger) {}) }, bundle: func(f audittest.Files, _ *audittest.Ledger) {
		f[audit.StatementName] = bytes.Replace(f[audit.StatementName], []byte(`"missing":1`), []byte(`"missing":0`), 1)
	}},
	{name: "record back-dated", words: "backdated", before: func(l *audittest.Ledger) {
		l.Seal = unless(func(*audittest.Ledger) {})
		l.Each = func(l *audittest.Ledger, now time.Time) {
			if now.Equal(audittest.Moment(8, 0, 0)) {
				l.SealAt(march5, audittest.Moment(5, 2, 5))
			}
		}
	}, says: func(s *audit.Statement) bool {
		return s.Counts.Late == 1 && s.Late[0].Stamped.Equal(audittest.Moment(8, 0, 10))
	}},
	{name: "report made late, and it says so", before: func(l *audittest.Ledger) {
		l.Seal = unless(func(*audittest.Ledger) {})
		l.Each = func(l *audittest.Ledger, now time.Time) {
			if now.Equal(audittest.Moment(8, 0, 0)) {
				l.SealAt(march5, now)
			}
		}
	}, says: func(s *audit.Statement) bool { return s.Counts.Late == 1 && s.Counts.Sealed == 27 }},
	{name: "everything re-signed later", words: "backdated unstamped", after: func(l *audittest.Ledger) {
		l.Whole = true
		for i := range l.Checkpoints {
			l.Checkpoints[i].Tokens["tsa"] = audittest.Moment(28, 0, i)
		}
	}},
	{name: "everything re-signed later, with one stamp", words: "unstamped", after: func(l *audittest.Ledger) {
		last := l.Checkpoints[len(l.Checkpoints)-1]
		last.Tokens["tsa"] = audittest.Moment(28, 0, 0)
		l.Checkpoints = []audittest.Checkpoint{last}
	}},
	{name: "slate late", before: func(l *audittest.Ledger) {
		l.Each = func(l *audittest.Ledger, now time.Time) {
			if l.Ahead = 26 * time.Hour; now.After(audittest.Moment(4, 0, 0)) && now.Before(audittest.Moment(6, 7, 0)) {
				l.Ahead = -100 * time.Hour // nobody writes slates
			}
			if now.Equal(audittest.Moment(6, 7, 0)) {
				l.Slate(now) // what fell due meanwhile
			}
		}
	}, says: func(s *audit.Statement) bool { return len(s.SlatesLate) == 1 && s.Counts.Sealed == 27 }},
	{name: "slate left out", words: "unslated", before: func(l *audittest.Ledger) {
		l.Each = func(l *audittest.Ledger, now time.Time) {
			if now.Equal(audittest.Moment(5, 0, 0)) {
				l.Slated = l.Slated.Add(12 * time.Hour)
			}
		}
	}},
	{name: "slate leaves out a schedule", words: "unslated", before: func(l *audittest.Ledger) {
		l.Each = func(l *audittest.Ledger, now time.Time) {
			if !now.Equal(audittest.Moment(5, 0, 0)) {
				return
			}
			p, _ := l.History().At(now)
			until := l.Slated.Add(26 * time.Hour)
			l.Record(evidence.Slate{Due: []evidence.SlateDue{}, From: l.Slated, Plan: p.Sum(), Schema: evidence.SlateSchema, Tool: audittest.Tool, Until: until})
			l.Slated = until
		}
	}},
	{name: "clock ahead", words: "backdated", before: func(l *audittest.Ledger) {
		l.Seal = unless(func(l *audittest.Ledger) { l.SealAt(march5, audittest.Moment(7, 0, 0)) })
	}},
	{name: "clock back", words: "backdated", before: func(l *audittest.Ledger) {
		l.Seal = func(l *audittest.Ledger, s evidence.Slot) { l.SealAt(s, s.Due.Add(-48*time.Hour)) }
	}},
	{name: "fork", words: "forked", options: func(o *audit.Options, l *audittest.Ledger) {
		line := l.Checkpoints[60].Head
		line.Root[0] ^= 1
		o.Known = []string{line.String()}
	}},
	{name: "line of another ledger", words: "forked", options: func(o *audit.Options, l *audittest.Ledger) {
		line := l.Checkpoints[60].Head
		line.Origin = "example.com/other"
		o.Known = []string{line.String()}
	}},
	{name: "lines that agree", options: func(o *audit.Options, l *audittest.Ledger) {
		for _, c := range l.Checkpoints[:80] {
			o.Known = append(o.Known, c.Head.String())
		}
	}},
	{name: "other key", words: "unsigned", options: func(o *audit.Options, l *audittest.Ledger) {
		_, key := audittest.NewKey(l.TB, audittest.Origin, 2)
		o.Keys = []string{key}
	}},
	{name: "plan changed and changed back", before: func(l *audittest.Ledger) {
		l.Each = func(l *audittest.Ledger, now time.Time) {
			switch {
			case now.Equal(audittest.Moment(5, 0, 0)):
				l.Plan(now, l.Packs[0], l.Packs[2])
			case now.Equal(audittest.Moment(6, 0, 0)):
				l.Plan(now, l.Packs...)
			}
		}
	}, says: func(s *audit.Statement) bool {
		return len(s.PlanChanges) == 2 && s.PlanChanges[0].Removed[0] == "prod/cp-2" && s.PlanChanges[1].Added[0] == "prod/cp-2" &&
			s.Counts.Unscheduled == 1 && s.Unscheduled[0].From.Equal(march5.Due) && s.Counts.Expected == 26
	}},
	{name: "schedule made rarer", before: func(l *audittest.Ledger) {
		l.Each = func(l *audittest.Ledger, now time.Time) {
			if now.Equal(audittest.Moment(5, 0, 0)) {
				l.Plan(now, l.Packs[0], audittest.Planned("cp-2", "0 2 * * MON"), l.Packs[2])
			}
		}
	}, says: func(s *audit.Statement) bool {
		return len(s.PlanChanges) == 1 && s.PlanChanges[0].Rescheduled[0] == "prod/cp-2" && s.Counts.Unscheduled == 4 && s.Counts.Expected == 23 // 9 March is a Monday
	}},
	{name: "plan back-dated", words: "backdated missing", before: func(l *audittest.Ledger) {
		l.Seal = unless(func(*audittest.Ledger) {})
		l.Each = func(l *audittest.Ledger, now time.Time) {
			if now.Equal(audittest.Moment(7, 0, 0)) {
				history := l.Plans
				l.Plan(audittest.Moment(5, 0, 0), l.Packs[0], l.Packs[2])
				l.Plan(audittest.Moment(6, 0, 0), l.Packs...)
				l.Plans = history
			}
		}
	}, says: func(s *audit.Statement) bool { return len(s.Missing) == 1 && s.Missing[0].Due.Equal(march5.Due) }},
	{name: "two packs under one hash", words: "misplaced missing", before: func(l *audittest.Ledger) {
		l.Seal = unless(func(l *audittest.Ledger) {
			last := l.Entries[len(l.Entries)-1]
			l.Log(march5.ManifestKey(), l.Records[last.Key])
			delete(l.Records, march5.ManifestKey())
		})
	}},
	{name: "one key, two records", words: "doubled", before: func(l *audittest.Ledger) {
		l.Each = func(l *audittest.Ledger, now time.Time) {
			if now.Equal(audittest.Moment(5, 3, 0)) {
				l.Records["again"] = l.Records[march5.ManifestKey()]
				m, _ := audittest.Manifest(march5, audittest.Moment(5, 2, 6))
				raw, _ := evidence.Encode(m)
				l.Log(march5.ManifestKey(), raw)
			}
		}
	}, bundle: func(f audittest.Files, l *audittest.Ledger) {
		set(f, records, append(lines(f, records), l.Records["again"]))
	}},
	{name: "gap", before: func(l *audittest.Ledger) {
		l.Seal = unless(func(l *audittest.Ledger) { l.GapAt(march5, audittest.Moment(5, 3, 0)) })
	}, says: func(s *audit.Statement) bool {
		return s.Counts.Gap == 1 && s.Gaps[0].Reason == fault.Deadline && s.Counts.Sealed == 26
	}},
	{name: "found, not sealed", before: func(l *audittest.Ledger) {
		l.Seal = unless(func(l *audittest.Ledger) {
			m, _ := audittest.Manifest(march5, audittest.Moment(5, 2, 5))
			raw, _ := evidence.Encode(m)
			l.Log(tree.FoundKey(march5.ManifestKey()), raw)
		})
	}, says: func(s *audit.Statement) bool { return s.Counts.Found == 1 && s.Counts.Sealed == 26 }},
	{name: "pruned without policy", words: "pruned", before: func(l *audittest.Ledger) { l.Each = prune }},
	{name: "pruned by policy", before: func(l *audittest.Ledger) {
		l.Each = func(l *audittest.Ledger, now time.Time) {
			if now.Equal(audittest.Moment(7, 0, 0)) {
				l.Record(evidence.Policy{Keep: "1d", Since: now, Tool: audittest.Tool})
			}
			prune(l, now)
		}
	}, says: func(s *audit.Statement) bool { return s.Counts.Pruned == 1 && s.Counts.Sealed == 27 }},
	{name: "pruned before its time", words: "pruned", before: func(l *audittest.Ledger) {
		l.Each = func(l *audittest.Ledger, now time.Time) {
			if now.Equal(audittest.Moment(7, 0, 0)) {
				l.Record(evidence.Policy{Keep: "3y", Since: now, Tool: audittest.Tool})
			}
			prune(l, now)
		}
	}},
	{name: "pruned although all is kept", words: "pruned", before: func(l *audittest.Ledger) {
		l.Each = func(l *audittest.Ledger, now time.Time) {
			if now.Equal(audittest.Moment(7, 0, 0)) {
				l.Record(evidence.Policy{Keep: "1d", Since: now, Tool: audittest.Tool})
				l.Record(evidence.Policy{Keep: "", Since: now, Tool: audittest.Tool})
			}
			prune(l, now)
		}
	}},
	{name: "another report pruned", words: "pruned", before: func(l *audittest.Ledger) {
		l.Each = func(l *audittest.Ledger, now time.Time) {
			if now.Equal(audittest.Moment(3, 0, 0)) {
				l.Record(evidence.Policy{Keep: "1d", Since: now, Tool: audittest.Tool})
				m, _ := audittest.Manifest(march5, audittest.Moment(5, 2, 5))
				l.Entries = append(l.Entries, tree.Of(tree.PrunedKey(m.ReportKey()), nil))
				l.Edge.Append(l.Entries[len(l.Entries)-1].Leaf())
			}
		}
	}},
	{name: "foreign batch", before: func(l *audittest.Ledger) {
		l.Each = func(l *audittest.Ledger, now time.Time) {
			if now.Equal(audittest.Moment(5, 0, 0)) {
				l.Log(tree.VoidKey(1), []byte("not ours"))
			}
		}
	}, says: func(s *audit.Statement) bool { return s.Voids == 1 }},
	{name: "epoch in the middle", words: "misplaced", before: func(l *audittest.Ledger) {
		l.Each = func(l *audittest.Ledger, now time.Time) {
			if now.Equal(audittest.Moment(5, 0, 0)) {
				l.Record(evidence.Epoch{Origin: "example.com/before", Reason: "key stolen", Root: "", Size: 5, Tool: audittest.Tool})
			}
		}
	}},
	{name: "unreadable schedule", words: "unreadable", before: func(l *audittest.Ledger) { l.Packs = append(l.Packs, audittest.Planned("cp-4", "0 2 * *")) }},
}
