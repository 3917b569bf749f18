package scheduler

import "time"

// Plan is when one pack's slots fall due.
type Plan struct {
	Source   string
	Pack     string        // the pack's key
	Schedule Schedule      // see ParseSchedule
	Jitter   time.Duration // slots start up to this long after they are due, each pack by its own fixed share; 0 = none
	CatchUp  time.Duration // a missed slot no older than this is made up for; 0 = never
	Timeout  time.Duration // how long after its start a slot may take; must be positive
	Since    time.Time     // no slot from before this is owed; zero = no bound
}
