package config

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestRetention: reports are kept for days or years, and pruned on a schedule in its
// own zone or that of the defaults.
func TestRetention(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string][2]string{
		"":                          {"", "0001-01-01T00:00:00Z"},
		"retention: {keep: 3y}\n":   {"3y", "0001-01-01T00:00:00Z"},
		"retention: {keep: 400d}\n": {"400d", "0001-01-01T00:00:00Z"},
		"retention: {keep: 3y, schedule: \"0 5 * * *\"}\n":                                           {"3y", "2026-04-01T05:00:00Z"},
		"defaults: {time_zone: Asia/Shanghai}\nretention: {keep: 3y, schedule: \"0 5 * * *\"}\n":     {"3y", "2026-03-31T21:00:00Z"},
		"retention: {keep: 3y, schedule: \"0 5 * * *\", time_zone: Europe/Berlin}\n":                 {"3y", "2026-04-01T03:00:00Z"},
		"retention: {keep: 90d}\n" + locks("{mode: COMPLIANCE, days: 90, extend: 30}", "{days: 90}"): {"90d", "0001-01-01T00:00:00Z"},
		"retention: {keep: 3y}\n" + locks("{mode: COMPLIANCE, days: 1096}", "{days: 1095}"):          {"3y", "0001-01-01T00:00:00Z"},
	} {
		c, err := loadRetention(t, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if keep, next := c.Retention.Kept().String(), c.Pruning().Next(at).Format(time.RFC3339); keep != want[0] || next != want[1] {
			t.Errorf("%s: %s, next at %s", text, keep, next)
		}
	}
	for text, want := range map[string]string{
		"retention: {keep: 3 years}\n":                                                   "retention.keep: ",
		"retention: {keep: 36h}\n":                                                       "retention.keep: ",
		"retention: {keep: 0d}\n":                                                        "retention.keep: ",
		"retention: {schedule: '@daily'}\n":                                              "retention.keep: missing",
		"retention: {keep: 3y, schedule: never}\n":                                       "retention.schedule: ",
		"retention: {keep: 3y, time_zone: UTC}\n":                                        "retention.schedule: missing",
		"retention: {keep: 89d}\n" + locks("{mode: COMPLIANCE, days: 90}", "{days: 1}"):  "retention.keep: reports are kept for 89d, and the sink \"s\" locks them for 90 days",
		"retention: {keep: 3y}\n" + locks("{mode: GOVERNANCE, days: 1}", "{days: 1097}"): "and the sink \"o\" locks them for 1097 days",
		locks("{mode: GOVERNANCE, days: 10, extend: 10}", "{days: 1}"):                   "object_lock.extend: ",
	} {
		if _, err := loadRetention(t, text); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "hint: ") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, _, err := Parse("c.yaml", []byte(minimal+"retention: {keep: 3y}\n")); err == nil || !strings.Contains(err.Error(), "retention.keep: there is no ledger") {
		t.Errorf("without a ledger: %v", err)
	}
}

// locks are further sinks, for loadRetention, with these locks.
func locks(object, bucket string) string {
	return "# {name: s, s3: {region: r, bucket: b, object_lock: " + object + "}}, {name: o, oss: {region: cn-shanghai, bucket: bbb, bucket_worm: " + bucket + "}}"
}

// loadRetention loads a configuration with a ledger, these settings, and the sinks that
// follow them after a #.
func loadRetention(t *testing.T, text string) (*Config, error) {
	t.Helper()
	settings, sinks, more := strings.Cut(text, "# ")
	file, _ := withLedger(t, "example.com/log", settings)
	if more {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, file, strings.Replace(string(b), "{dir: archive}}]", "{dir: archive}}, "+sinks+"]", 1), 0o600)
	}
	c, _, err := Load(file)
	return c, err
}
