package retention_test

import (
	"context"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/archive/retention"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// TestExtend: within the days before its lock ends each object gets a longer one, a
// report none beyond its retention.
func TestExtend(t *testing.T) {
	t.Parallel()
	m := sink.NewMemory()
	m.Terms = sink.LockTerms{Mode: "COMPLIANCE", Days: 90, Extend: 30}
	dir := slot("cp-1", 50).Dir()
	keys := []string{dir + "report-0123456789ab.xls", dir + "manifest.json", "packseal-ledger/batch/000"}
	start := time.Now().UTC().Truncate(time.Second)
	for _, key := range keys {
		if err := m.Put(t.Context(), key, sink.Bytes([]byte(key))); err != nil {
			t.Fatal(err)
		}
	}
	until := func(key string) time.Duration {
		t.Helper()
		l, err := m.Lock(t.Context(), key)
		if err != nil || l.Mode != "COMPLIANCE" {
			t.Fatal(l, err)
		}
		return l.Until.Sub(start)
	}
	year, err := evidence.ParseKeep("1y")
	if err != nil {
		t.Fatal(err)
	}
	targets := []archive.Target{{Name: "a", Sink: m}, {Name: "b", Sink: sink.NewMemory()}}
	const day = 24 * time.Hour
	for n := range 1000 { // every day
		now := start.Add(time.Duration(n) * day)
		if err := retention.Extend(t.Context(), targets, year, now, discard); err != nil {
			t.Fatal(err)
		}
		for i, key := range keys {
			left := start.Add(until(key)).Sub(now)
			if i == 0 && n > 200 {
				continue
			}
			if left < 19*day || left > 90*day+time.Minute || n < 60 && until(key) > 90*day+time.Minute {
				t.Fatalf("on day %d, %s is locked for %s", n, key, left)
			}
		}
	}
	if end, got := year.End(slot("cp-1", 50).Due), start.Add(until(keys[0])); !got.Equal(end) {
		t.Errorf("the report is locked until %s, and kept until %s", got, end)
	}
}

// TestExtendShort: what has no lock, or one that is too short, gets one within the
// days of one round.
func TestExtendShort(t *testing.T) {
	t.Parallel()
	m := sink.NewMemory()
	now := time.Now()
	for _, key := range []string{"a/none", "a/short", "a/long"} {
		if err := m.Put(t.Context(), key, sink.Bytes([]byte(key))); err != nil {
			t.Fatal(err)
		}
	}
	m.SetLock("a/short", sink.Lock{Mode: "COMPLIANCE", Until: now.AddDate(0, 0, 50)})
	long := now.AddDate(0, 0, 500)
	m.SetLock("a/long", sink.Lock{Mode: "COMPLIANCE", Until: long})
	m.Terms = sink.LockTerms{Mode: "COMPLIANCE", Days: 90, Extend: 30}
	for n := range 10 {
		if err := retention.Extend(t.Context(), []archive.Target{{Name: "a", Sink: m}}, evidence.Keep{}, now.AddDate(0, 0, n), discard); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"a/none", "a/short", "a/long"} {
		l, err := m.Lock(t.Context(), key)
		if err != nil || l.Mode != "COMPLIANCE" || l.Until.Before(now.AddDate(0, 0, 89)) || key == "a/long" && !l.Until.Equal(long) {
			t.Errorf("%s: %v, %v", key, l, err)
		}
	}
}

// refusing is a sink that extends no lock.
type refusing struct{ *sink.Memory }

func (refusing) ExtendLock(context.Context, string, time.Time) error {
	return fault.New(fault.SinkDenied, "not allowed")
}

// TestExtendFails: a lock that can't be extended is an error.
func TestExtendFails(t *testing.T) {
	t.Parallel()
	m := sink.NewMemory()
	if err := m.Put(t.Context(), "a/k", sink.Bytes(nil)); err != nil {
		t.Fatal(err)
	}
	m.Terms = sink.LockTerms{Mode: "COMPLIANCE", Days: 9, Extend: 1}
	if err := retention.Extend(t.Context(), []archive.Target{{Name: "a", Sink: refusing{m}}}, evidence.Keep{}, time.Now(), discard); fault.Of(err) != fault.SinkDenied {
		t.Errorf("got %v", err)
	}
}
