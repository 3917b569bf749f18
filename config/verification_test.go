package config

import (
	"strings"
	"testing"
	"time"
)

// TestVerification: the schedule is in its own zone, or in that of the defaults;
// what is wrong with it is told.
func TestVerification(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC) // a Tuesday
	for text, want := range map[string]string{
		"":                                      "0001-01-01T00:00:00Z",
		"verify: {}\n":                          "0001-01-01T00:00:00Z",
		"verify: {schedule: \"0 4 * * SUN\"}\n": "2026-04-05T04:00:00Z",
		"defaults: {time_zone: Asia/Shanghai}\nverify: {schedule: \"0 4 * * SUN\"}\n":                           "2026-04-04T20:00:00Z",
		"defaults: {time_zone: Asia/Shanghai}\nverify: {schedule: \"0 4 * * SUN\", time_zone: Europe/Berlin}\n": "2026-04-05T02:00:00Z",
	} {
		c, _, err := Parse("c.yaml", []byte(minimal+text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := c.Verification().Next(at).Format(time.RFC3339); got != want {
			t.Errorf("%s: next at %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"verify: {schedule: never}\n":                           "verify.schedule: ",
		"verify: {schedule: \"@daily\", time_zone: Shanghai}\n": "verify.time_zone: ",
		"verify: {time_zone: UTC}\n":                            "verify.schedule: missing",
	} {
		if _, _, err := Parse("c.yaml", []byte(minimal+text)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "hint: ") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestVerifyShare: a share is of the reports, and needs a schedule.
func TestVerifyShare(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{
		"verify: {schedule: \"@daily\"}\n":              0,
		"verify: {schedule: \"@daily\", share: 5%}\n":   0.05,
		"verify: {schedule: \"@daily\", share: 100%}\n": 1,
	} {
		c, _, err := Parse("c.yaml", []byte(minimal+text))
		if err != nil || c.VerifyShare() != want {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		"verify: {schedule: \"@daily\", share: 0%}\n":   `verify.share: "0%" is not a share`,
		"verify: {schedule: \"@daily\", share: 101%}\n": `verify.share: "101%" is not a share`,
		"verify: {schedule: \"@daily\", share: many}\n": `verify.share: "many" is not a share`,
		"verify: {share: 5%}\n":                         "verify.schedule: missing",
		"verify: {repair: true}\n":                      "verify.schedule: missing",
	} {
		if _, _, err := Parse("c.yaml", []byte(minimal+text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
