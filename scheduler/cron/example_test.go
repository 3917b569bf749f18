package cron_test

import (
	"fmt"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/scheduler/cron"
)

// A schedule that fixes its hours is due once a day, also when clocks change.
func ExampleParse() {
	s, err := cron.Parse("30 2 * * *", "Europe/Berlin")
	if err != nil {
		panic(err)
	}
	from := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	for due := range s.Between(from, from.AddDate(0, 0, 3)) {
		fmt.Println(due.Format(time.RFC3339))
	}
	_, err = cron.Parse("0 2 31 2 *", "Europe/Berlin")
	fmt.Println(err)
	fmt.Println("hint:", fault.Hint(err))
	// Output:
	// 2026-03-28T01:30:00Z
	// 2026-03-29T01:00:00Z
	// 2026-03-30T00:30:00Z
	// schedule "0 2 31 2 *" never falls due
	// hint: none of its months has such a day of the month
}
