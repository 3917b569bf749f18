package daemon

import (
	"fmt"
	"testing"
	"time"

	"packseal.example/config"
	"packseal.example/test/lab"
)

// TestEvaluationsLeaveTime: however many packs are evaluated before their reports, those
// that wait for a place have time for an evaluation and a report of their own.
func TestEvaluationsLeaveTime(t *testing.T) {
	t.Parallel()
	const places, timeout, evaluate = 4, 2 * time.Hour, 30 * time.Minute
	for _, packs := range []int{1, 4, 5, 16, 17, 1000} {
		s := lab.Setup{Defaults: `schedule: "@daily", timeout: 2h`, Source: fmt.Sprintf("max_in_flight: %d", places)}
		for i := range packs {
			s.Packs = append(s.Packs, fmt.Sprintf("{id: cp-%04d, evaluate: %s}", i, evaluate))
		}
		s.Packs = append(s.Packs, `{id: cp-alone, evaluate: 1h, schedule: "@weekly"}`, "{id: cp-without}")
		cfg, err := (&ConfigFile{Path: s.Write(t)}).Load()
		if err != nil {
			t.Fatal(err)
		}
		c := &components{due: make(map[dueTogether]int)}
		entries := make(map[string]config.Entry)
		for _, e := range cfg.Entries() {
			entries[e.ID] = e
			c.count(e)
		}
		longest := c.longest(entries["cp-0000"], places)
		if rounds := time.Duration((packs + places - 1) / places); longest <= 0 || longest > evaluate || packs <= places && longest != evaluate || longest*rounds > timeout*2/3 {
			t.Errorf("%d packs wait for %s each", packs, longest)
		}
		if alone, without := c.longest(entries["cp-alone"], places), c.longest(entries["cp-without"], places); alone != time.Hour || without != 0 {
			t.Errorf("others wait for %s and %s", alone, without)
		}
	}
}
