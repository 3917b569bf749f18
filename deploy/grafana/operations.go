package main

// operations is the dashboard for those who run packseal: what is slow, what
// is refused, what waits, and for what.
func operations() board {
	return board{
		name: "operations", title: "packseal / Operations", from: "now-6h", refresh: "30s",
		description: "How packseal is at work: the journey of a report from asking to sealing, the Config API, links, sinks, spool, queue and process.",
		variables:   variables(),
		rows: []row{
			{height: 4, panels: health()},
			{title: "The journey of a report", height: 8, panels: journey()},
			{title: "Config API", height: 8, panels: api()},
			{title: "Links", height: 8, panels: links()},
			{title: "Sinks", height: 8, panels: sinks()},
			{title: "Ledger", height: 8, panels: ledger()},
			{title: "Spool and queue", height: 8, panels: waiting()},
			{title: "Process", height: 8, panels: process()},
		},
	}
}

var (
	zero = [2]*float64{new(0.0)}
	down = map[string]word{"0": {"down", bad}, "1": {"up", good}}
)

func health() []panel {
	some, few := []step{{0, good}, {1, bad}}, []step{{0, good}, {1, open}}
	return []panel{
		{
			title: "Targets down", width: 3, unit: "short", kind: number, steps: some, runbook: "absent",
			description: "Targets of the jobs chosen that Prometheus can't scrape.",
			queries:     []query{{"sum(up{" + ofJob + "} == bool 0)", ""}}, empty: "no target",
		},
		{
			title: "Configuration", width: 3, unit: "none", kind: number, runbook: "config-reload-failed",
			description: "Whether the last load of the configuration succeeded, everywhere. A bad one leaves the old one in force.",
			queries:     []query{{"min(packseal_config_last_reload_successful{" + ofJob + "})", ""}},
			words:       map[string]word{"0": {"refused", bad}, "1": {"in force", good}},
		},
		{
			title: "Sinks down", width: 3, unit: "short", kind: number, steps: some, runbook: "sink-down",
			description: "Sinks that the last put, open or list did not reach.",
			queries:     []query{{"sum(max by (job, sink) (packseal_sink_up{" + ofJob + "}) == bool 0)", ""}},
		},
		{
			title: "In the spool", width: 3, unit: "short", kind: number, steps: few, runbook: "spool-growing",
			description: "Reports that are fetched and not yet in every sink.",
			queries:     []query{{"sum(packseal_spool_reports{" + ofJob + "})", ""}},
		},
		{
			title: "In the queue", width: 3, unit: "short", kind: number, steps: []step{{0, "blue"}},
			description: "Slots that wait, are at work, or wait for another try.",
			queries:     []query{{"sum(max by (job, source) (packseal_queue_pending{" + ofSource + "}))", ""}},
		},
		{
			title: "Throttled", width: 3, unit: "short", kind: number, steps: few, runbook: "throttled",
			description: "Calls that the Config API refused in the time range because there were too many.",
			queries:     []query{{"sum(increase(packseal_api_throttled_total{" + ofSource + "}[$__range]))", ""}},
		},
		{
			title: "Panics", width: 3, unit: "short", kind: number, steps: some,
			description: "Faults of packseal itself that were caught in the time range. Please report them.",
			queries:     []query{{"sum(increase(packseal_scheduler_panics_total{" + ofJob + "}[$__range])) + sum(increase(packseal_queue_panics_total{" + ofJob + "}[$__range]))", ""}},
		},
		{
			title: "Version", width: 3, unit: "none", kind: names, steps: []step{{0, "blue"}},
			description: "What runs: more than one version during a roll-out.",
			queries:     []query{{"count by (version) (packseal_build_info{" + ofJob + "})", "{{version}}"}},
		},
	}
}

func journey() []panel {
	return []panel{
		{
			title: "Time a stage takes", width: 9, unit: "s", kind: lines,
			description: "The mean of the slots that went through each stage: request (baseline and Generate), making (until the report is complete), download, sealing (into every sink).",
			queries: []query{{rate("stage", "packseal_slot_duration_seconds_sum", ofSource) + " / " +
				rate("stage", "packseal_slot_duration_seconds_count", ofSource), "{{stage}}"}},
			limits: zero,
		},
		{
			title: "Stages finished", width: 6, unit: "ops", kind: lines,
			description: "How many slots went through each stage a second. A stage that falls behind the one before it is where slots are held up.",
			queries:     []query{{rate("stage", "packseal_slot_duration_seconds_count", ofSource), "{{stage}}"}},
			limits:      zero,
		},
		{
			title: "Tries that failed", width: 9, unit: "short", kind: stacked, runbook: "gap",
			description: "By reason. Most reasons pass by themselves and are tried again; what they come to is on the Evidence dashboard.",
			queries:     []query{{"sum by (reason) (increase(packseal_failures_total{" + ofSource + "}[$__rate_interval])) > 0", "{{reason}}"}},
			limits:      zero,
		},
	}
}

func api() []panel {
	return []panel{
		{
			title: "Calls", width: 9, unit: "reqps", kind: stacked,
			description: "Each attempt, by its result: OK, an error code of the API, or the kind of failure.",
			queries:     []query{{rate("code", "packseal_api_requests_total", ofSource) + " > 0", "{{code}}"}},
			limits:      zero,
		},
		{
			title: "Share throttled", width: 6, unit: "percentunit", kind: lines, runbook: "throttled",
			description: "The share of calls that the API refused because there were too many. If it stays, lower requests_per_second or find out who else calls.",
			queries: []query{{rate("source", "packseal_api_throttled_total", ofSource) + " / " +
				rate("source", "packseal_api_requests_total", ofSource), "{{source}}"}},
			steps: []step{{0, good}, {0.2, bad}}, limits: zero,
		},
		{
			title: "Time a call takes", width: 9, unit: "s", kind: lines,
			description: "95 % of the calls had their answer within this time.",
			queries:     []query{{quantile("0.95", "call", "packseal_api_request_duration_seconds", ofSource), "{{call}}"}},
			limits:      zero,
		},
	}
}

func links() []panel {
	return []panel{
		{
			title: "Life left of links", width: 9, unit: "s", kind: lines, runbook: "link-margin-shrinking",
			description: "When the download began: 5 % of the links had less life left than the lower line, half of them less than the upper one. A link that expires has to be looked up again.",
			queries: []query{
				{quantile("0.05", "", "packseal_link_remaining_seconds", ofSource), "5 %"},
				{quantile("0.5", "", "packseal_link_remaining_seconds", ofSource), "half"},
			},
			steps: []step{{0, bad}, {300, good}}, limits: zero,
		},
		{
			title: "Life left, spread", width: 9, unit: "s", kind: heat, runbook: "link-margin-shrinking",
			description: "How many downloads began with how much life left of their link.",
			queries:     []query{{"sum by (le) (increase(packseal_link_remaining_seconds_bucket{" + ofSource + "}[$__rate_interval]))", "{{le}}"}},
		},
		{
			title: "Links looked up again", width: 6, unit: "short", kind: lines, runbook: "link-margin-shrinking",
			description: "Because they were about to expire, had expired, or were refused.",
			queries:     []query{{"sum by (source) (increase(packseal_link_refreshes_total{" + ofSource + "}[$__rate_interval]))", "{{source}}"}},
			limits:      zero,
		},
	}
}

func ledger() []panel {
	return []panel{
		{
			title: "Entries", width: 7, unit: "short", kind: lines, runbook: "ledger-witness-behind",
			description: "Entries of the ledger, and how many of them each witness has cosigned. A witness may be an hour behind.",
			queries: []query{
				{"max by (job) (packseal_ledger_size{" + ofJob + "})", "{{job}}"},
				{"max by (job, witness) (packseal_ledger_witnessed_size{" + ofJob + "})", "{{job}} {{witness}}"},
			},
			limits: zero,
		},
		{
			title: "Entries that wait", width: 5, unit: "short", kind: lines, runbook: "ledger-stalled",
			description: "Entries that the ledger does not have yet, by replica. They go with its next commit.",
			queries:     []query{{"sum by (job, instance) (packseal_ledger_backlog{" + ofJob + "})", "{{job}} {{instance}}"}},
			limits:      zero,
		},
		{
			title: "Age of commit and time-stamps", width: 7, unit: "s", kind: lines, runbook: "ledger-stamp-old",
			description: "How long ago the ledger was last followed to its end by a replica, and last stamped by each authority. Without a line there is none yet.",
			queries: []query{
				{"time() - (max by (job) (packseal_ledger_last_commit_success_timestamp_seconds{" + ofJob + "}) > 0)", "{{job}}"},
				{"min by (job, tsa) (packseal_ledger_stamp_age_seconds{" + ofJob + "})", "{{job}} {{tsa}}"},
			},
			limits: zero,
		},
		{
			title: "Problems of the ledger", width: 5, unit: "short", kind: bars, runbook: "ledger-forked",
			description: "What the last commit found, or an authority or a witness tells of. What verify finds is on the Evidence dashboard.",
			queries:     []query{{"sum by (kind) (max by (job, kind) (packseal_ledger_problems{" + ofJob + "}))", "{{kind}}"}},
			steps:       []step{{0, good}, {1, bad}}, limits: zero,
		},
	}
}

func sinks() []panel {
	failed := `packseal_sink_operations_total{` + ofJob + `, result!~"ok|not_exist"}`
	return []panel{
		{
			title: "Reached", width: 7, unit: "none", kind: timeline, words: down, runbook: "sink-down",
			description: "Whether the last put, open and list reached the storage of each sink.",
			queries:     []query{{"max by (job, sink) (packseal_sink_up{" + ofJob + "})", "{{job}} {{sink}}"}},
		},
		{
			title: "Operations that failed", width: 7, unit: "short", kind: stacked, runbook: "sink-down",
			description: "Each attempt, by its result. A conflict is no fault: another writer has written the same key.",
			queries:     []query{{"sum by (sink, result) (increase(" + failed + "[$__rate_interval])) > 0", "{{sink}} {{result}}"}},
			limits:      zero,
		},
		{
			title: "Operations", width: 5, unit: "ops", kind: lines,
			description: "put writes a report or a record, open reads one, list looks what is there.",
			queries:     []query{{rate("sink, op", "packseal_sink_operations_total", ofJob), "{{sink}} {{op}}"}},
			limits:      zero,
		},
		{
			title: "Time an operation takes", width: 5, unit: "s", kind: lines,
			description: "95 % of the operations were done within this time.",
			queries:     []query{{quantile("0.95", "sink, op", "packseal_sink_operation_duration_seconds", ofJob), "{{sink}} {{op}}"}},
			limits:      zero,
		},
	}
}

func waiting() []panel {
	return []panel{
		{
			title: "Reports in the spool", width: 6, unit: "short", kind: lines, runbook: "spool-growing",
			description: "Fetched, and not yet in every sink. It empties by itself when the sinks are back.",
			queries:     []query{{"sum by (job) (packseal_spool_reports{" + ofJob + "})", "{{job}}"}}, limits: zero,
		},
		{
			title: "Size of the spool", width: 6, unit: "bytes", kind: lines, runbook: "spool-growing",
			description: "What it takes of the disk under state_dir.",
			queries:     []query{{"sum by (job) (packseal_spool_bytes{" + ofJob + "})", "{{job}}"}}, limits: zero,
		},
		{
			title: "Slots in the queue", width: 6, unit: "short", kind: lines,
			description: "Waiting, at work, or waiting for another try. Replicas share one queue.",
			queries:     []query{{"max by (job, source) (packseal_queue_pending{" + ofSource + "})", "{{job}} {{source}}"}}, limits: zero,
		},
		{
			title: "Slots handed out again", width: 6, unit: "short", kind: lines,
			description: "After a failure that may pass, a shutdown or the death of a worker.",
			queries:     []query{{"sum by (job, source) (increase(packseal_queue_redelivered_total{" + ofSource + "}[$__rate_interval]))", "{{job}} {{source}}"}}, limits: zero,
		},
	}
}

func process() []panel {
	return []panel{
		{
			title: "Processor", width: 6, unit: "percentunit", kind: lines,
			description: "Of one core.",
			queries:     []query{{"rate(process_cpu_seconds_total{" + ofJob + "}[$__rate_interval])", "{{job}} {{instance}}"}}, limits: zero,
		},
		{
			title: "Memory", width: 6, unit: "bytes", kind: lines,
			description: "Resident.",
			queries:     []query{{"process_resident_memory_bytes{" + ofJob + "}", "{{job}} {{instance}}"}}, limits: zero,
		},
		{
			title: "Open files", width: 6, unit: "percentunit", kind: lines,
			description: "The share of the descriptors that the process may have.",
			queries:     []query{{"process_open_fds{" + ofJob + "} / process_max_fds{" + ofJob + "}", "{{job}} {{instance}}"}},
			steps:       []step{{0, good}, {0.8, bad}}, limits: zero,
		},
		{
			title: "Goroutines", width: 6, unit: "short", kind: lines,
			description: "They come back to where they were when nothing is at work.",
			queries:     []query{{"go_goroutines{" + ofJob + "}", "{{job}} {{instance}}"}}, limits: zero,
		},
	}
}
