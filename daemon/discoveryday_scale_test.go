//go:build scale

package daemon

import "time"

func init() {
	aDay = day{hours: 24, perHour: 42, life: 6, hour: 1500 * time.Millisecond, schedule: `"@every 12s", jitter: 6s`}
}
