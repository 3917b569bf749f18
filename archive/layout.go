package archive

import (
	"time"

	"packseal.example/fetcher"
	"packseal.example/scheduler"
)

// slotOf returns the slot of a pack that fell due then.
func slotOf(p fetcher.Pack, due time.Time) scheduler.Slot {
	return scheduler.Slot{Source: p.Source, Pack: p.Key(), Due: due.UTC()}
}
