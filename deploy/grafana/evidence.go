package main

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

// Colors of Grafana's own, which fit its dark look and its light one.
const (
	good = "green"
	open = "yellow"
	bad  = "red"
	dim  = "#8e8e8e"
)

// evidence is the dashboard for those who answer to an auditor: is anything
// missing, of which pack, and since when.
func evidence() board {
	resolution := lengths("resolution", "Resolution", "How finely the calendar looks.", "10m*")
	resolution.Hide = new(dashboard.VariableHideHideVariable)
	return board{
		name: "evidence", title: "packseal / Evidence", from: "now-30d", refresh: "1m",
		description: "Is a compliance report missing? Each slot of a pack's schedule ends as a sealed report or as a gap with a reason; both are read from the archive, so restarts change nothing here.",
		variables: variables(
			lengths("cell", "Calendar cell", "What one cell of the calendar stands for, at least.", "1h,6h,12h,1d*,7d"),
			resolution,
		),
		rows: []row{
			{height: 5, panels: verdicts()},
			{height: 10, panels: []panel{packTable()}},
			{height: 10, panels: []panel{slotCalendar()}},
			{height: 8, panels: reports()},
			{height: 8, panels: reasons()},
		},
	}
}

// missing counts the slots without a report: the gaps of the time range, and
// one for each pack that is overdue without having had any. It is not a number
// when nobody knows: there are no metrics, a job's targets are all down, or of a
// pack the daemon has yet to learn what the archive holds.
func missing() string {
	return "sum(" + within("gap") + ")" +
		"\n+ (count(" + overdue + "\n unless on (job, source, pack) " + within("gap") + " > 0) or vector(0))" +
		"\nand on () " + next +
		"\nunless on () (max by (job) (up{" + ofJob + "}) == 0)" +
		"\nunless on () (" + next + "\n unless on (job, source, pack) " + sealed + ")" +
		"\nor vector(NaN)"
}

func verdicts() []panel {
	some := []step{{0, good}, {1, bad}}
	return []panel{
		{
			title: "Is anything missing?", width: 7, kind: verdict, unit: "suffix:slots missing", runbook: "gap",
			description: "Slots without a report: the gaps recorded in the time range, and one for each pack that is overdue. Unknown when packseal's metrics are not there, a job has no target that is up, or what the archive holds of a pack is not known yet. Of a pack that Prometheus did not know before the time range all gaps count, unless the latest is older.",
			queries:     []query{{missing(), ""}}, steps: some,
			words: map[string]word{"0": {"Nothing is missing", good}, "1": {"1 slot missing", bad}, "nan": {"Unknown", "orange"}},
		},
		{
			title: "Gaps", width: 3, kind: number, unit: "short", runbook: "gap", steps: some,
			description: "Slots that ended without a report in the time range.",
			queries:     []query{{"sum(" + within("gap") + ")", ""}},
		},
		{
			title: "Packs overdue", width: 3, kind: number, unit: "short", runbook: "overdue", steps: some,
			description: "Packs whose newest report is older than an interval of their schedule and its slack (half an interval, 15 minutes at least and 6 hours at most), or that should have one and have none. The alerts say the same.",
			queries:     []query{{"count(" + overdue + ") or 0 * count(" + next + ")", ""}},
		},
		{
			title: "Reports sealed", width: 3, kind: number, unit: "short", steps: []step{{0, "blue"}},
			description: "Slots that were sealed in the time range.",
			queries:     []query{{"sum(" + within("sealed") + ")", ""}},
		},
		{
			title: "Reports kept", width: 3, kind: number, unit: "short", steps: []step{{0, "blue"}},
			description: "Sealed slots in the archive, from its beginning.",
			queries:     []query{{"sum(" + settled("sealed", "") + ")", ""}},
		},
		{
			title: "Last verified", width: 3, kind: number, unit: "s", empty: "never", runbook: "verify-overdue",
			description: "How long ago packseal verify last read everything back and found no problem; the longest of the jobs chosen.",
			queries:     []query{{"time() - (min(max by (job) (packseal_verify_last_success_timestamp_seconds{" + ofJob + "})) > 0)", ""}},
			steps:       []step{{0, good}, {8 * 86400, bad}},
		},
		{
			title: "Problems", width: 2, kind: number, unit: "short", runbook: "verify-damage", steps: some,
			description: "What the last packseal verify found: objects missing, altered, malformed or orphaned, sinks that differ, and an archive that is not as its ledger says.",
			queries:     []query{{"sum(max by (job, kind) (packseal_verify_problems{" + ofJob + "}))", ""}},
		},
	}
}

// packTable is where each pack stands.
func packTable() panel {
	moment := map[string]any{"unit": "dateTimeAsIso", "custom.width": 165}
	red := map[string]any{
		"thresholds":         dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute, Steps: thresholds([]step{{0, "text"}, {1, bad}})},
		"custom.cellOptions": map[string]any{"type": "color-text"}, "custom.width": 90,
	}
	share := map[string]any{
		"unit": "percentunit", "max": 2, "decimals": 0, "custom.width": 170,
		"thresholds":         dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute, Steps: thresholds([]step{{0, good}, {1.25, open}, {1.5, bad}})},
		"custom.cellOptions": map[string]any{"type": "gauge", "mode": "basic"},
	}
	return panel{
		title: "Packs", width: columns, unit: "none", runbook: "overdue",
		description: "Where each pack stands at the end of the time range. Age is that of the newest report, as a share of the longest time between two slots. Gaps and Sealed are of the time range, Kept is from the beginning.",
		queries: []query{
			{state(), ""},
			{"max by (job, source, pack, name) (packseal_pack_info{" + ofPack + "})", ""},
			{"1000 * (" + sealed + " > 0)", ""},
			{age, ""},
			{"(" + age + ") / " + interval, ""},
			{"1000 * (" + next + " > 0)", ""},
			{within("gap") + " and on (job, source, pack) " + next, ""},
			{within("sealed") + " and on (job, source, pack) " + next, ""},
			{settled("sealed", "") + " and on (job, source, pack) " + next, ""},
			{latest("packseal_report_bytes"), ""},
		},
		kind: columned([]string{"name", "pack", "source", "job"}, []string{"Name", "Pack", "Source", "Job"},
			column{"State", map[string]any{
				"custom.width": 130, "custom.cellOptions": map[string]any{"type": "color-background", "mode": "basic"},
				"mappings": mappings(map[string]word{
					"-1": {"not known yet", dim}, "0": {"up to date", good}, "1": {"due", open}, "2": {"no report yet", open}, "3": {"gap", bad}, "4": {"overdue", bad},
				}),
			}},
			column{}, // the names: the label says them
			column{"Last sealed", moment},
			column{"Age", map[string]any{"unit": "s", "custom.width": 100}},
			column{"Age of interval", share},
			column{"Next due", moment},
			column{"Gaps", red},
			column{"Sealed", map[string]any{"custom.width": 90}},
			column{"Kept", map[string]any{"custom.width": 90}},
			column{"Size", map[string]any{"unit": "bytes", "custom.width": 100}},
		),
	}
}

// state is what a pack is, the worst first.
func state() string {
	return "0 * " + overdue + " + 4" +
		"\nor 0 * (" + due + " and " + gap + " > " + sealed + ") + 3" +
		"\nor 0 * (" + due + " and " + sealed + " == 0) + 2" +
		"\nor 0 * (" + due + " > " + sealed + ") + 1" +
		"\nor 0 * (" + due + " unless " + sealed + ") - 1" +
		"\nor 0 * " + due
}

// slotCalendar shows a sum of 1 for sealed, 2 for a gap and 4 for due.
func slotCalendar() panel {
	sum := "(" + cell("sealed") + "\n+ 2 * " + cell("gap") +
		"\n+ 4 * (" + until("packseal_last_due_timestamp_seconds", "", ahead) + " >= bool time()))" +
		"\nand on (job, source, pack) max by (job, source, pack) (present_over_time(packseal_next_due_timestamp_seconds{" + ofPack + "}[$__interval]" + ahead + "))"
	return panel{
		title: "Calendar of slots", width: columns, unit: "none", kind: calendar, runbook: "gap",
		description: "What came of each pack's slots, by the cell in which they were sealed or recorded as gaps; a cell goes from its time to the next one's. Due: a slot fell due and was not settled within the cell. Blank: no metrics from then.",
		queries:     []query{{named("("+sum+")", ahead), "{{name}}"}},
		words: map[string]word{
			"0": {"nothing due", dim}, "1": {"sealed", good}, "5": {"sealed", good}, "2": {"gap", bad}, "6": {"gap", bad},
			"3": {"sealed, and a gap", "orange"}, "7": {"sealed, and a gap", "orange"}, "4": {"due", open},
		},
	}
}

func reports() []panel {
	return []panel{
		{
			title: "Age of the newest report", width: 12, unit: "percentunit", kind: lines, runbook: "overdue",
			description: "As a share of the longest time between two slots of the pack. A saw: it falls with each report sealed, at 100 % when the schedule is kept. From 150 % on a pack is overdue, and those with long intervals before that: 6 hours after the report should have been there.",
			queries:     []query{{named("(("+age+") / "+interval+")", ""), "{{name}}"}},
			steps:       []step{{0, good}, {1.5, bad}}, limits: [2]*float64{new(0.0)},
		},
		{
			title: "Size of the newest report", width: 12, unit: "bytes", kind: lines,
			description: "A report that shrinks at once is worth a look, although it is whole and sealed: the account may have lost what is checked.",
			queries:     []query{{named("("+latest("packseal_report_bytes")+" > 0)", ""), "{{name}}"}},
			limits:      [2]*float64{new(0.0)},
		},
	}
}

// reasons are why reports are missing, how late they come, and what was found
// in the archive.
func reasons() []panel {
	return []panel{
		{
			title: "Gaps by reason", width: 8, unit: "short", kind: bars, runbook: "gap", empty: "no gap",
			description: "Why slots ended without a report in the time range, as the processes that recorded it counted. Of all packs of the jobs chosen.",
			queries:     []query{{"sum by (reason) (increase(packseal_gaps_total{" + ofJob + "}[$__range])) > 0", "{{reason}}"}},
			steps:       []step{{0, bad}}, limits: [2]*float64{new(0.0)},
		},
		{
			title: "How late reports came", width: 8, unit: "s", kind: lines,
			description: "From a slot's due time to its report, the jitter included: half of the reports were here by the lower line, 95 % by the upper one.",
			queries: []query{
				{quantile("0.5", "", "packseal_late_seconds", ofSource), "half"},
				{quantile("0.95", "", "packseal_late_seconds", ofSource), "95 %"},
			},
			limits: [2]*float64{new(0.0)},
		},
		{
			title: "Problems by kind", width: 8, unit: "short", kind: bars, runbook: "verify-damage",
			description: "What the last packseal verify found in the sinks.",
			queries:     []query{{"sum by (kind) (max by (job, kind) (packseal_verify_problems{" + ofJob + "}))", "{{kind}}"}},
			steps:       []step{{0, good}, {1, bad}}, limits: [2]*float64{new(0.0)},
		},
	}
}
