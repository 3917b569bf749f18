package audit_test

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"packseal.example/archive/audit"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// march5 is a slot in the middle of the tests' period.
var march5 = evidence.Slot{Source: "prod", Pack: "cp-2", Due: moment(5, 2, 0)}

// unless returns a seal that does something else with the slot march5.
func unless(other func(l *ledger)) func(*ledger, evidence.Slot) {
	return func(l *ledger, s evidence.Slot) {
		if s == march5 {
			other(l)
			return
		}
		l.sealAt(s, s.Due.Add(5*time.Minute))
	}
}

const records = "records/2026-03.jsonl"

var attacks = []attack{
	{name: "record altered", words: "altered unlogged", bundle: func(f files, _ *ledger) {
		f[records] = bytes.Replace(f[records], []byte(`"name":"Pack"`), []byte(`"name":"Pick"`), 1)
	}},
	{name: "record made unreadable", words: "unarchived unlogged", bundle: func(f files, _ *ledger) {
		f[records] = bytes.Replace(f[records], []byte(`"schema"`), []byte(`"scheme"`), 1)
	}},
	{name: "entry removed", words: "altered", bundle: func(f files, _ *ledger) {
		f.set(audit.LeavesName, slices.Delete(f.lines(audit.LeavesName), 5, 6))
	}},
	{name: "entries swapped", words: "altered", bundle: func(f files, _ *ledger) {
		lines := f.lines(audit.LeavesName)
		lines[7], lines[8] = lines[8], lines[7]
		f.set(audit.LeavesName, lines)
	}},
	{name: "entry added", words: "altered", bundle: func(f files, _ *ledger) {
		f.set(audit.LeavesName, slices.Insert(f.lines(audit.LeavesName), 5, []byte(tree.Of("prod/cp-9/2026/03/20260305T020000Z/manifest.json", nil).String())))
	}},
	{name: "entry added at the end", words: "altered", bundle: func(f files, _ *ledger) {
		f.set(audit.LeavesName, append(f.lines(audit.LeavesName), []byte(tree.Of("prod/cp-9/2026/03/20260305T020000Z/manifest.json", nil).String())))
	}},
	{name: "edge altered", words: "altered", bundle: func(f files, l *ledger) {
		f[audit.EdgeName] = audit.FormatEdge(tree.Edge{}.Add(l.entries[:4]))
	}},
	{name: "records left out", words: "unarchived unlogged", bundle: func(f files, _ *ledger) {
		f.set(records, slices.Delete(f.lines(records), 3, 5))
	}},
	{name: "record added", words: "unlogged", bundle: func(f files, _ *ledger) {
		m, _ := manifest(evidence.Slot{Source: "prod", Pack: "cp-9", Due: moment(5, 2, 0)}, moment(5, 2, 5))
		raw, _ := evidence.Encode(m)
		f.set(records, append(f.lines(records), raw))
	}},
	{name: "record twice", words: "doubled", bundle: func(f files, _ *ledger) {
		lines := f.lines(records)
		f.set(records, append(lines, bytes.Clone(lines[0])))
	}},
	{name: "last checkpoint left out", words: "altered", bundle: func(f files, _ *ledger) {
		delete(f, f.last("checkpoints/", ".tsa.tsr"))
		delete(f, f.last("checkpoints/", ""))
	}},
	{name: "cut to an older size", words: "claim open short unlogged", bundle: cutShort},
	{name: "cut to an older size, and a known line", words: "claim open rolled_back short unlogged", bundle: cutShort, options: func(o *audit.Options, l *ledger) {
		o.Known = []string{"ledger " + l.checkpoints[len(l.checkpoints)-1].head.String()}
	}},
	{name: "token of another checkpoint", words: "claim token", bundle: func(f files, l *ledger) {
		f[audit.TokenName(60, "tsa")] = f[audit.TokenName(61, "tsa")]
	}},
	{name: "no tokens", words: "unstamped", bundle: func(f files, _ *ledger) {
		for name := range f {
			if strings.HasSuffix(name, ".tsr") {
				delete(f, name)
			}
		}
	}},
	{name: "checkpoint altered", words: "altered", bundle: func(f files, l *ledger) {
		c := l.checkpoints[60]
		other := c.head
		other.Root[0] ^= 1
		f[audit.CheckpointName(60)] = []byte(strings.Replace(string(c.raw), c.head.Text(), other.Text(), 1))
	}},
	{name: "signature altered", words: "claim token unsigned", bundle: func(f files, l *ledger) {
		raw := bytes.Clone(f[audit.CheckpointName(60)])
		raw[len(raw)-20] ^= 1
		f[audit.CheckpointName(60)] = raw
	}},
	{name: "two signatures of one key", words: "claim token unsigned", bundle: func(f files, l *ledger) {
		raw := bytes.Clone(f[audit.CheckpointName(60)])
		lines := bytes.SplitAfter(raw, []byte("\n"))
		other := bytes.Clone(lines[len(lines)-2])
		other[len(other)-20] ^= 1
		f[audit.CheckpointName(60)] = append(raw, other...)
	}},
	{name: "report replaced", words: "altered", bundle: func(f files, _ *ledger) {
		name := f.last("reports/", ".xls")
		f[name] = append([]byte("x"), f[name][1:]...)
	}},
	{name: "report longer", words: "altered", bundle: func(f files, _ *ledger) {
		name := f.last("reports/", ".xls")
		f[name] = append(f[name], make([]byte, 1<<20)...)
	}},
	{name: "report of no manifest", words: "unlogged", bundle: func(f files, _ *ledger) { f["reports/prod/cp-1/x"] = []byte("x") }},
	{name: "slot skipped", words: "missing", before: func(l *ledger) { l.seal = unless(func(*ledger) {}) }, says: func(s *audit.Statement) bool {
		return slices.Equal(s.Missing, []audit.Slot{{Due: march5.Due, Pack: march5.Pack, Source: march5.Source}}) && s.Counts.Missing == 1
	}},
	{name: "slot skipped, and the statement says otherwise", words: "claim missing", before: func(l *ledger) { l.seal = unless(func(*ledger) {}) }, bundle: func(f files, _ *ledger) {
		f[audit.StatementName] = bytes.Replace(f[audit.StatementName], []byte(`"missing":1`), []byte(`"missing":0`), 1)
	}},
	{name: "record back-dated", words: "backdated", before: func(l *ledger) {
		l.seal = unless(func(*ledger) {})
		l.each = func(l *ledger, now time.Time) {
			if now.Equal(moment(8, 0, 0)) {
				l.sealAt(march5, moment(5, 2, 5))
			}
		}
	}, says: func(s *audit.Statement) bool { return s.Counts.Late == 1 && s.Late[0].Stamped.Equal(moment(8, 0, 10)) }},
	{name: "report made late, and it says so", before: func(l *ledger) {
		l.seal = unless(func(*ledger) {})
		l.each = func(l *ledger, now time.Time) {
			if now.Equal(moment(8, 0, 0)) {
				l.sealAt(march5, now)
			}
		}
	}, says: func(s *audit.Statement) bool { return s.Counts.Late == 1 && s.Counts.Sealed == 27 }},
	{name: "everything re-signed later", words: "backdated unstamped", after: func(l *ledger) {
		l.whole = true
		for i := range l.checkpoints {
			l.checkpoints[i].tokens["tsa"] = moment(28, 0, i)
		}
	}},
	{name: "everything re-signed later, with one stamp", words: "unstamped", after: func(l *ledger) {
		last := l.checkpoints[len(l.checkpoints)-1]
		last.tokens["tsa"] = moment(28, 0, 0)
		l.checkpoints = []checkpoint{last}
	}},
	{name: "slate late", before: func(l *ledger) {
		l.each = func(l *ledger, now time.Time) {
			if l.ahead = 26 * time.Hour; now.After(moment(4, 0, 0)) && now.Before(moment(6, 7, 0)) {
				l.ahead = -100 * time.Hour // nobody writes slates
			}
			if now.Equal(moment(6, 7, 0)) {
				l.slate(now) // what fell due meanwhile
			}
		}
	}, says: func(s *audit.Statement) bool { return len(s.SlatesLate) == 1 && s.Counts.Sealed == 27 }},
	{name: "slate left out", words: "unslated", before: func(l *ledger) {
		l.each = func(l *ledger, now time.Time) {
			if now.Equal(moment(5, 0, 0)) {
				l.slated = l.slated.Add(12 * time.Hour)
			}
		}
	}},
	{name: "slate leaves out a schedule", words: "unslated", before: func(l *ledger) {
		l.each = func(l *ledger, now time.Time) {
			if !now.Equal(moment(5, 0, 0)) {
				return
			}
			p, _ := l.history().At(now)
			until := l.slated.Add(26 * time.Hour)
			l.record(evidence.Slate{Due: []evidence.SlateDue{}, From: l.slated, Plan: p.Sum(), Schema: evidence.SlateSchema, Tool: tool, Until: until})
			l.slated = until
		}
	}},
	{name: "clock ahead", words: "backdated", before: func(l *ledger) { l.seal = unless(func(l *ledger) { l.sealAt(march5, moment(7, 0, 0)) }) }},
	{name: "clock back", words: "backdated", before: func(l *ledger) {
		l.seal = func(l *ledger, s evidence.Slot) { l.sealAt(s, s.Due.Add(-48*time.Hour)) }
	}},
	{name: "fork", words: "forked", options: func(o *audit.Options, l *ledger) {
		line := l.checkpoints[60].head
		line.Root[0] ^= 1
		o.Known = []string{line.String()}
	}},
	{name: "line of another ledger", words: "forked", options: func(o *audit.Options, l *ledger) {
		line := l.checkpoints[60].head
		line.Origin = "example.com/other"
		o.Known = []string{line.String()}
	}},
	{name: "lines that agree", options: func(o *audit.Options, l *ledger) {
		for _, c := range l.checkpoints[:80] {
			o.Known = append(o.Known, c.head.String())
		}
	}},
	{name: "other key", words: "unsigned", options: func(o *audit.Options, l *ledger) {
		_, key := newKey(l, origin, 2)
		o.Keys = []string{key}
	}},
	{name: "plan changed and changed back", before: func(l *ledger) {
		l.each = func(l *ledger, now time.Time) {
			switch {
			case now.Equal(moment(5, 0, 0)):
				l.plan(now, l.packs[0], l.packs[2])
			case now.Equal(moment(6, 0, 0)):
				l.plan(now, l.packs...)
			}
		}
	}, says: func(s *audit.Statement) bool {
		return len(s.PlanChanges) == 2 && s.PlanChanges[0].Removed[0] == "prod/cp-2" && s.PlanChanges[1].Added[0] == "prod/cp-2" &&
			s.Counts.Unscheduled == 1 && s.Unscheduled[0].From.Equal(march5.Due) && s.Counts.Expected == 26
	}},
	{name: "schedule made rarer", before: func(l *ledger) {
		l.each = func(l *ledger, now time.Time) {
			if now.Equal(moment(5, 0, 0)) {
				l.plan(now, l.packs[0], planned("cp-2", "0 2 * * MON"), l.packs[2])
			}
		}
	}, says: func(s *audit.Statement) bool {
		return len(s.PlanChanges) == 1 && s.PlanChanges[0].Rescheduled[0] == "prod/cp-2" && s.Counts.Unscheduled == 4 && s.Counts.Expected == 23 // 9 March is a Monday
	}},
	{name: "plan back-dated", words: "backdated missing", before: func(l *ledger) {
		l.seal = unless(func(*ledger) {})
		l.each = func(l *ledger, now time.Time) {
			if now.Equal(moment(7, 0, 0)) {
				history := l.plans
				l.plan(moment(5, 0, 0), l.packs[0], l.packs[2])
				l.plan(moment(6, 0, 0), l.packs...)
				l.plans = history
			}
		}
	}, says: func(s *audit.Statement) bool { return len(s.Missing) == 1 && s.Missing[0].Due.Equal(march5.Due) }},
	{name: "two packs under one hash", words: "misplaced missing", before: func(l *ledger) {
		l.seal = unless(func(l *ledger) {
			last := l.entries[len(l.entries)-1]
			l.log(march5.ManifestKey(), l.records[last.Key])
			delete(l.records, march5.ManifestKey())
		})
	}},
	{name: "one key, two records", words: "doubled", before: func(l *ledger) {
		l.each = func(l *ledger, now time.Time) {
			if now.Equal(moment(5, 3, 0)) {
				l.records["again"] = l.records[march5.ManifestKey()]
				m, _ := manifest(march5, moment(5, 2, 6))
				raw, _ := evidence.Encode(m)
				l.log(march5.ManifestKey(), raw)
			}
		}
	}, bundle: func(f files, l *ledger) { f.set(records, append(f.lines(records), l.records["again"])) }},
	{name: "gap", before: func(l *ledger) { l.seal = unless(func(l *ledger) { l.gapAt(march5, moment(5, 3, 0)) }) }, says: func(s *audit.Statement) bool {
		return s.Counts.Gap == 1 && s.Gaps[0].Reason == fault.Deadline && s.Counts.Sealed == 26
	}},
	{name: "found, not sealed", before: func(l *ledger) {
		l.seal = unless(func(l *ledger) {
			m, _ := manifest(march5, moment(5, 2, 5))
			raw, _ := evidence.Encode(m)
			l.log(tree.FoundKey(march5.ManifestKey()), raw)
		})
	}, says: func(s *audit.Statement) bool { return s.Counts.Found == 1 && s.Counts.Sealed == 26 }},
	{name: "pruned without policy", words: "pruned", before: func(l *ledger) { l.each = prune }},
	{name: "pruned by policy", before: func(l *ledger) {
		l.each = func(l *ledger, now time.Time) {
			if now.Equal(moment(7, 0, 0)) {
				l.record(evidence.Policy{Keep: "1d", Since: now, Tool: tool})
			}
			prune(l, now)
		}
	}, says: func(s *audit.Statement) bool { return s.Counts.Pruned == 1 && s.Counts.Sealed == 27 }},
	{name: "another report pruned", words: "pruned", before: func(l *ledger) {
		l.each = func(l *ledger, now time.Time) {
			if now.Equal(moment(3, 0, 0)) {
				l.record(evidence.Policy{Keep: "1d", Since: now, Tool: tool})
				m, _ := manifest(march5, moment(5, 2, 5))
				l.entries = append(l.entries, tree.Of(tree.PrunedKey(m.ReportKey()), nil))
				l.edge.Append(l.entries[len(l.entries)-1].Leaf())
			}
		}
	}},
	{name: "foreign batch", before: func(l *ledger) {
		l.each = func(l *ledger, now time.Time) {
			if now.Equal(moment(5, 0, 0)) {
				l.log(tree.VoidKey(1), []byte("not ours"))
			}
		}
	}, says: func(s *audit.Statement) bool { return s.Voids == 1 }},
	{name: "epoch in the middle", words: "misplaced", before: func(l *ledger) {
		l.each = func(l *ledger, now time.Time) {
			if now.Equal(moment(5, 0, 0)) {
				l.record(evidence.Epoch{Origin: "example.com/before", Reason: "key stolen", Root: "", Size: 5, Tool: tool})
			}
		}
	}},
	{name: "unreadable schedule", words: "unreadable", before: func(l *ledger) { l.packs = append(l.packs, planned("cp-4", "0 2 * *")) }},
}
