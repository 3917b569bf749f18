package archive_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// TestVerifyLocks: what is not locked as the configuration asks is a problem; locks
// that have run their time, and legal holds, are counted.
func TestVerifyLocks(t *testing.T) {
	t.Parallel()
	locking := sink.NewMemory()
	locking.Terms = sink.LockTerms{Mode: "COMPLIANCE", Days: 10}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: locking}, archive.Target{Name: "b", Sink: sink.NewMemory()})
	at := due()
	h.settle(t, at)
	m, _, err := h.Manifest(t.Context(), slot("cp-1", at))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	asked := sink.Lock{Mode: "COMPLIANCE", Until: now.AddDate(0, 0, 10)}
	for name, c := range map[string]struct {
		lock  sink.Lock
		want  []string
		count archive.Locked
	}{
		"as asked":      {asked, nil, archive.Locked{}},
		"none":          {sink.Lock{}, []string{"unlocked"}, archive.Locked{}},
		"a hold":        {sink.Lock{Mode: "COMPLIANCE", Until: asked.Until, Hold: true}, nil, archive.Locked{Holds: 1}},
		"a hold alone":  {sink.Lock{Hold: true}, []string{"unlocked"}, archive.Locked{Holds: 1}},
		"weaker":        {sink.Lock{Mode: "GOVERNANCE", Until: asked.Until}, []string{"lock_short"}, archive.Locked{}},
		"shorter":       {sink.Lock{Mode: "COMPLIANCE", Until: now.AddDate(0, 0, 9)}, []string{"lock_short"}, archive.Locked{}},
		"long over":     {sink.Lock{Mode: "COMPLIANCE", Until: now.AddDate(0, 0, -1)}, []string{"lock_short"}, archive.Locked{Ended: 1}},
		"some seconds":  {sink.Lock{Mode: "COMPLIANCE", Until: asked.Until.Add(-time.Minute).Truncate(time.Second)}, nil, archive.Locked{}},
		"longer is ok":  {sink.Lock{Mode: "COMPLIANCE", Until: now.AddDate(1, 0, 0)}, nil, archive.Locked{}},
		"not forgotten": {asked, nil, archive.Locked{}},
	} {
		locking.SetLock(m.ReportKey(), c.lock)
		result, err := h.Verify(t.Context(), archive.Selection{})
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, p := range result.Problems {
			if kinds = append(kinds, string(p.Kind)); p.Sink != "a" || p.Key != m.ReportKey() {
				t.Errorf("%s: %+v", name, p)
			}
		}
		if len(result.Locks) != 1 || !slices.Equal(kinds, c.want) {
			t.Fatalf("%s: %v, %+v", name, kinds, result.Locks)
		}
		got := result.Locks[0]
		if got.Sink != "a" || got.Read != 2 || got.Holds != c.count.Holds || got.Ended != c.count.Ended || (got.Left(now) == 0) != (c.count.Ended > 0) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestVerifyPruned: a report that the ledger has as pruned is not missing; any other
// one is, and where nobody knows, verification says that it could not be told.
func TestVerifyPruned(t *testing.T) {
	t.Parallel()
	memory := sink.NewMemory()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: memory})
	at := due()
	h.settle(t, at)
	s := slot("cp-1", at)
	m, _, err := h.Manifest(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := memory.DeleteObject(t.Context(), m.ReportKey()); err != nil {
		t.Fatal(err)
	}
	down := fault.New(fault.SinkUnavailable, "the ledger is not there")
	for name, c := range map[string]struct {
		pruned map[string]string
		err    error
		want   archive.Kind
		export fault.Reason
	}{
		"pruned":         {map[string]string{m.ReportKey(): m.SHA256}, nil, "", fault.NotFound},
		"another report": {map[string]string{m.ReportKey(): "00"}, nil, archive.Missing, fault.Damaged},
		"not pruned":     {map[string]string{}, nil, archive.Missing, fault.Damaged},
		"not known":      {nil, down, "", fault.Damaged},
	} {
		o := h.Options
		o.Pruned = func(context.Context) (map[string]string, error) { return c.pruned, c.err }
		a, err := archive.New(o)
		if err != nil {
			t.Fatal(err)
		}
		result, err := a.Verify(t.Context(), archive.Selection{})
		if fault.Of(err) != fault.Of(c.err) || len(result.Problems) > 1 || (len(result.Problems) == 1) != (c.want != "") || c.want != "" && result.Problems[0].Kind != c.want {
			t.Errorf("%s: %v, %+v", name, err, result)
		}
		record, _, err := a.Read(t.Context(), s)
		if pruned := c.export == fault.NotFound; err != nil || record.Pruned != pruned || (result.Pruned == 1) != pruned {
			t.Errorf("%s: %+v, %+v, %v", name, record, result, err)
		}
		if err := a.Export(t.Context(), s, nil); fault.Of(err) != c.export {
			t.Errorf("%s: exported: %v", name, err)
		}
	}
}
