package main

import (
	"fmt"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// What every selector begins with. The variables are written plainly, so that
// Grafana escapes them for a pattern within a string: ${pack:regex} would
// turn an account group's "ca-1/cp-2" into what Prometheus can't parse.
const (
	ofJob    = `job=~"$job"`
	ofSource = ofJob + `, source=~"$source"`
	ofPack   = ofSource + `, pack=~"$pack"`
)

// byPack is what the series of a pack are brought together by: its replicas
// and its earlier instances count as one.
const byPack = "max by (job, source, pack) "

// latest is a pack's gauge now.
func latest(metric string) string { return byPack + "(" + metric + "{" + ofPack + "})" }

// What follows from the schedule and the archive of each pack. What the archive
// says is absent while the daemon does not know it.
var (
	sealed   = latest("packseal_last_sealed_timestamp_seconds")
	gap      = latest("packseal_last_gap_timestamp_seconds")
	owed     = latest("packseal_owed_since_timestamp_seconds")
	due      = latest("packseal_last_due_timestamp_seconds")
	next     = latest("packseal_next_due_timestamp_seconds")
	interval = latest("packseal_expected_interval_seconds")
	slack    = "clamp(0.5 * " + interval + ", 900, 21600)" // as in the alerts: half an interval, within bounds

	// age is that of a pack's newest report.
	age = "time() - (" + sealed + " > 0)"

	// overdue are the packs of which the alerts PacksealOverdue and
	// PacksealNeverSealed speak, but for those that ended a week ago.
	overdue = "(((" + age + " > " + interval + " + " + slack + ")\n and (" + due + " > " + sealed + ")" +
		"\n or (time() - (" + owed + " > 0) > " + slack + ")\n and (" + sealed + " == 0))" +
		"\n unless (" + next + " == 0 and " + due + " < time() - 604800))"
)

// settled is how many slots the archive has that ended so, as of the end of
// the range, or, with " offset …", as of another time. What was known last
// counts, also while the daemon is down.
func settled(result, offset string) string {
	return fmt.Sprintf(`%s(last_over_time(packseal_archive_slots{%s, result="%s"}[$__range]%s))`, byPack, ofPack, result, offset)
}

// stamp is the time of the latest slot that ended so.
func stamp(result string) string { return "packseal_last_" + result + "_timestamp_seconds" }

// within is how many slots ended so in the time range. Of a pack that was not
// seen before it, none do if the latest is older than that, and all do
// otherwise: rather a gap too many than one too few.
func within(result string) string {
	return fmt.Sprintf("(%[1]s\n - (%[2]s\n or %[1]s * (%[3]s(max_over_time(%[4]s{%[5]s}[$__range])) <= bool time() - $__range_s)))",
		settled(result, ""), settled(result, " offset $__range"), byPack, stamp(result), ofPack)
}

// until is the greatest value there was up to a moment, looked at every
// $resolution, which costs less than each sample of the range would.
func until(metric, labels, offset string) string {
	return fmt.Sprintf("max_over_time((%s(%s{%s%s}))[$__range:$resolution]%s)", byPack, metric, ofPack, labels, offset)
}

// ahead moves a look at a cell of the calendar, which begins at the moment of
// evaluation, to its end.
const ahead = " offset -$__interval"

// cell is 1 for each pack of which a slot ended so in a cell, and 0 for the
// others. In a pack's first cell the latest slot's time decides.
func cell(result string) string {
	labels := `, result="` + result + `"`
	return fmt.Sprintf("(%s\n - %s > bool 0\n or %s > bool time())",
		until("packseal_archive_slots", labels, ahead), until("packseal_archive_slots", labels, ""), until(stamp(result), "", ahead))
}

// named adds the label name to what an expression says of each pack, as of
// the same moment or, with an offset, of another.
func named(expression, offset string) string {
	return expression + fmt.Sprintf(
		"\n* on (job, source, pack) group_left (name) topk by (job, source, pack) (1, max by (job, source, pack, name) (last_over_time(packseal_pack_info{%s}[$__range]%s)))", ofPack, offset)
}

// rate is a counter's or a histogram's increase a second, by labels.
func rate(by, metric, labels string) string {
	return fmt.Sprintf("sum by (%s) (rate(%s{%s}[$__rate_interval]))", by, metric, labels)
}

// quantile is that of a histogram, by labels.
func quantile(q string, by, metric, labels string) string {
	if by != "" {
		by = ", " + by
	}
	return fmt.Sprintf("histogram_quantile(%s, sum by (le%s) (rate(%s_bucket{%s}[$__rate_interval])))", q, by, metric, labels)
}

// variables are what both dashboards have in common.
func variables(own ...dashboard.VariableModel) []dashboard.VariableModel {
	source := dashboard.VariableModel{
		Type: dashboard.VariableTypeDatasource, Name: "datasource", Label: new("Data source"),
		Query: &dashboard.StringOrMap{String: new("prometheus")}, Refresh: new(dashboard.VariableRefreshOnDashboardLoad),
	}
	return append([]dashboard.VariableModel{
		source,
		choice("job", "Job", "packseal_build_info", ""),
		choice("source", "Source", "packseal_next_due_timestamp_seconds{"+ofJob+"}", ".*"),
		choice("pack", "Pack", "packseal_next_due_timestamp_seconds{"+ofSource+"}", ".*"),
	}, own...)
}

// choice lets one choose among the values of a label. all is the pattern for
// all of them; without one they are named one by one, so that "all jobs" are
// packseal's and nobody else's.
func choice(label, title, of, all string) dashboard.VariableModel {
	expression := fmt.Sprintf("label_values(%s, %s)", of, label)
	one := func(s string) dashboard.StringOrArrayOfString {
		return dashboard.StringOrArrayOfString{ArrayOfString: []string{s}}
	}
	v := dashboard.VariableModel{
		Type: dashboard.VariableTypeQuery, Name: label, Label: &title, Datasource: datasource(),
		Query:      &dashboard.StringOrMap{Map: map[string]any{"qryType": 1, "query": expression, "refId": "PrometheusVariableQueryEditor-VariableQuery"}},
		Definition: &expression, Refresh: new(dashboard.VariableRefreshOnTimeRangeChanged), Sort: new(dashboard.VariableSortAlphabeticalAsc),
		Multi: new(true), IncludeAll: new(true), Regex: new(""),
		Current: &dashboard.VariableOption{Selected: new(true), Text: one("All"), Value: one("$__all")},
	}
	if all != "" {
		v.AllValue = &all
	}
	return v
}

// lengths offers lengths of time; the one that ends in "*" is the one to begin
// with.
func lengths(name, title, description, all string) dashboard.VariableModel {
	v := dashboard.VariableModel{
		Type: dashboard.VariableTypeCustom, Name: name, Label: &title, Description: &description,
		Query: &dashboard.StringOrMap{String: new(strings.ReplaceAll(all, "*", ""))},
	}
	for _, l := range strings.Split(all, ",") {
		value := strings.TrimSuffix(l, "*")
		text := dashboard.StringOrArrayOfString{String: &value}
		o := dashboard.VariableOption{Selected: new(value != l), Text: text, Value: text}
		if v.Options = append(v.Options, o); value != l {
			v.Current = &o
		}
	}
	return v
}
