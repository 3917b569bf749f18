package archive_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/archive"
	"packseal.example/archive/catalog"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/scheduler"
	"packseal.example/sink"
	"packseal.example/test/lab"
)

func TestMain(m *testing.M) {
	lab.Parallel(16)
	m.Run()
}

// rig is an archive on in-memory sinks, fed by the simulator over a socket,
// with its catalog.
type rig struct {
	*archive.Archive
	catalog *catalog.Catalog
	sim     *sim.Server
	reg     *prometheus.Registry
	spool   string
	sinks   []archive.Target
	observe func(catalog.Event) // what the catalog tells; nil = nothing
}

const markedSecret = "MARKED-secret-7d1f"

// newRig builds one for the packs; sinks defaults to one in-memory sink.
func newRig(t *testing.T, settings fetcher.Settings, packs []sim.Pack, sinks ...archive.Target) *rig {
	t.Helper()
	server, err := sim.New(sim.Options{AccessKeyID: "LTAI5tExampleKeyID", AccessKeySecret: markedSecret, Packs: packs})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	dir := t.TempDir()
	file := func(name, content string) secret.File {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return secret.File(path)
	}
	o := &cloudconfig.Options{Endpoint: web.URL, RequestsPerSecond: 10000, Credentials: &cloudconfig.Credentials{
		AccessKeyIDFile: file("id", "LTAI5tExampleKeyID"), AccessKeySecretFile: file("secret", markedSecret),
	}}
	logger := slog.New(slog.DiscardHandler)
	source, err := o.Open(fetcher.Env{Logger: logger, UserAgent: "packseal/test"})
	if err != nil {
		t.Fatal(err)
	}
	settings.PollMin, settings.PollMax = time.Millisecond, 5*time.Millisecond
	f, err := fetcher.New(fetcher.Options{Source: source, Bounds: o.Bounds(), Settings: settings, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	h := &rig{sim: server, reg: prometheus.NewRegistry(), spool: filepath.Join(dir, "spool"), sinks: sinks}
	if sinks == nil {
		h.sinks = []archive.Target{{Name: "memory", Sink: sink.NewMemory()}}
	}
	spool, err := fetcher.OpenSpool(h.spool)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]evidence.Pack, len(packs))
	for i, p := range packs {
		ids[i] = evidence.Pack{PackRef: evidence.PackRef{Source: "prod", ID: p.ID, Aggregator: p.Aggregator}, Name: p.Name}
	}
	h.open(t, archive.Options{Sinks: h.sinks, Spool: spool, Fetch: f.Fetch, Packs: ids, Tool: "packseal/test", Logger: logger})
	return h
}

// open opens archive and catalog, as a process does at its start.
func (h *rig) open(t *testing.T, o archive.Options) {
	t.Helper()
	h.reg = prometheus.NewRegistry()
	c, err := catalog.Open(catalog.Options{File: filepath.Join(t.TempDir(), "packseal.db"), Logger: o.Logger, Observers: []func(catalog.Event){func(e catalog.Event) {
		if h.observe != nil {
			h.observe(e)
		}
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() }) //nolint:errcheck // of a test
	h.reg.MustRegister(c)
	o.Observers, o.Attempt, o.Metrics = []func(catalog.Event){c.Observe}, c.Attempt, archive.NewMetrics(h.reg)
	if h.Archive, err = archive.New(o); err != nil {
		t.Fatal(err)
	}
	refs := make([]evidence.PackRef, len(o.Packs))
	for i, p := range o.Packs {
		refs[i] = p.PackRef
	}
	h.catalog = c
	c.Watch(h.Archive, refs)
}

// again is another process on the rig's sinks and spool, which has lost its
// database.
func (h *rig) again(t *testing.T) *rig {
	t.Helper()
	next := *h
	next.open(t, h.Options)
	return &next
}

// Status is what is known of a pack.
func (h *rig) Status(source, pack string) catalog.Status { return h.catalog.Status(source, pack) }

// load waits until the catalog has read what the sinks hold of cp-1.
func (h *rig) load(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.catalog.Run(ctx) }()
	if _, err := h.catalog.LastSettled(ctx, "prod", "cp-1", time.Now(), 1); err != nil {
		t.Fatal(err)
	}
	read := func(r evidence.Record) bool { return r.State == "" || !r.Settled.IsZero() }
	for st := h.Status("prod", "cp-1"); !read(st.LastSealed) || !read(st.LastGap); st = h.Status("prod", "cp-1") {
		if !fault.Sleep(ctx, time.Millisecond) {
			t.Fatal(context.Cause(ctx))
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// due is a moment ago, so that the simulator's reports are made after it.
func due() time.Time { return time.Now().UTC().Truncate(time.Second) }

func slot(pack string, due time.Time) evidence.Slot {
	return evidence.Slot{Source: "prod", Pack: pack, Due: due}
}

// task is a slot's first try, as the queue hands it out.
func task(pack string, due, deadline time.Time) scheduler.Task {
	return scheduler.Task{Slot: slot(pack, due), Deadline: deadline, Delivered: 1, Fetched: func() {}}
}

// spooled is how many entries the spool holds.
func (h *rig) spooled(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir(h.spool)
	if err != nil {
		t.Fatal(err)
	}
	entries := make(map[string]bool)
	for _, f := range files {
		entries[strings.TrimSuffix(f.Name(), filepath.Ext(f.Name()))] = true
	}
	return len(entries)
}

func TestSealsUnderFaults(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]sim.Script{
		"ordinary":        {},
		"slow":            {Make: 30 * time.Millisecond},
		"standing":        {Standing: 24 * time.Hour},
		"V4 link":         {Link: sim.V4},
		"V2 link":         {Link: sim.V2},
		"S3 link":         {Link: sim.S3},
		"short-lived":     {LinkLife: 30 * time.Second},
		"expired links":   {ExpiredLinks: 1},
		"throttled":       {Throttles: 1},
		"cut":             {Body: sim.BodyFault{Kind: sim.BodyCut, Times: 2}},
		"empty":           {Body: sim.BodyFault{Kind: sim.BodyEmpty, Times: 1}},
		"short":           {Body: sim.BodyFault{Kind: sim.BodyShort, Times: 1}},
		"short, as said":  {Body: sim.BodyFault{Kind: sim.BodyShortTrue, Times: 1}},
		"long":            {Body: sim.BodyFault{Kind: sim.BodyLong, Times: 1}},
		"altered":         {Body: sim.BodyFault{Kind: sim.BodyAltered, Times: 1}},
		"error with 200":  {Body: sim.BodyFault{Kind: sim.BodyErrorPage, Times: 1}},
		"HTML with 200":   {Body: sim.BodyFault{Kind: sim.BodyHTML, Times: 1}},
		"account's trail": {Failures: []sim.Failure{{Status: 502, Body: "<html>bad gateway</html>", Times: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1", Script: script}})
			r, err := h.Seal(t.Context(), slot("cp-1", due()), time.Now().Add(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if r.State != evidence.Sealed || r.Size == 0 || len(r.SHA256) != 64 {
				t.Errorf("record is %+v", r)
			}
			result, err := h.Verify(t.Context(), archive.Selection{})
			if err != nil || len(result.Problems) > 0 || result.Sealed != 1 {
				t.Errorf("Verify found %+v, %v", result, err)
			}
			if n := h.spooled(t); n != 0 {
				t.Errorf("the spool holds %d entries", n)
			}
		})
	}
}

func TestSealIsIdempotent(t *testing.T) {
	t.Parallel()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	at := due()
	first, err := h.Seal(t.Context(), slot("cp-1", at), time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	calls := h.sim.Calls()["GetCompliancePackReport"]
	again, err := h.Seal(t.Context(), slot("cp-1", at), time.Now().Add(time.Minute))
	if err != nil || again != first {
		t.Errorf("sealed again: %#v, %v; first %#v", again, err, first)
	}
	if now := h.sim.Calls()["GetCompliancePackReport"]; now != calls {
		t.Errorf("sealing again called the API: %d, before %d", now, calls)
	}
}

func TestSettleRecordsGaps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script   sim.Script
		id       string
		deadline time.Duration
		want     fault.Reason
	}{
		"no such pack":   {id: sim.MissingPackID, deadline: time.Minute, want: fault.NotFound},
		"never complete": {script: sim.Script{Never: true}, deadline: 50 * time.Millisecond, want: fault.Deadline},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := cmp.Or(c.id, "cp-1")
			h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1", Script: c.script}})
			at := due()
			if again := h.Settle(t.Context(), task(id, at, time.Now().Add(c.deadline))); again != 0 {
				t.Fatalf("Settle wants to be called again in %s: %s", again, h.Status("prod", id).Trouble)
			}
			h.ends(t, id, c.want, "")
		})
	}
}

// TestSettleWaitsForPeople: what somebody can fix is no reason for a gap before
// the slot's deadline. The gap then says what was waited for.
func TestSettleWaitsForPeople(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script   sim.Script
		settings fetcher.Settings
		detail   string
	}{
		"too large":   {settings: fetcher.Settings{MaxBytes: 100}, detail: "larger than 100 bytes"},
		"redirected":  {script: sim.Script{Body: sim.BodyFault{Kind: sim.BodyRedirect, URL: "http://192.0.2.1/", Times: 100}}, detail: "the link points to"},
		"denied":      {script: sim.Script{Failures: []sim.Failure{{Status: 403, Code: "NoPermission", Times: 99}}}, detail: "NoPermission"},
		"credentials": {script: sim.Script{Failures: []sim.Failure{{Status: 404, Code: "InvalidAccessKeyId.NotFound", Times: 99}}}, detail: "InvalidAccessKeyId"},
		"other API":   {script: sim.Script{Failures: []sim.Failure{{Status: 404, Code: "InvalidAction.NotFound", Times: 99}}}, detail: "InvalidAction.NotFound"},
		"new code":    {script: sim.Script{Failures: []sim.Failure{{Status: 400, Code: "SomethingNew", Times: 99}}}, detail: "SomethingNew"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newRig(t, c.settings, []sim.Pack{{ID: "cp-1", Script: c.script}})
			at := due()
			var told []string
			deadline := time.Now().Add(time.Minute)
			h.Blocked = func(s evidence.Slot, err error, until time.Time) {
				told = append(told, fmt.Sprint(s, err, fault.Hint(err) != "", until.Equal(deadline)))
			}
			if again := h.Settle(t.Context(), task("cp-1", at, deadline)); again == 0 {
				t.Fatalf("Settle ends it: %+v", records(t, h, "cp-1"))
			}
			if len(told) != 1 || !strings.Contains(told[0], c.detail) || !strings.HasSuffix(told[0], "true true") {
				t.Errorf("told %q", told)
			}
			if trouble := h.Status("prod", "cp-1").Trouble; !strings.Contains(trouble, c.detail) {
				t.Errorf("its trouble is %q", trouble)
			}
			if again := h.Settle(t.Context(), task("cp-1", at, time.Now().Add(-time.Second))); again != 0 {
				t.Fatalf("after its deadline, Settle wants to be called again in %s", again)
			}
			h.ends(t, "cp-1", fault.Deadline, c.detail)
		})
	}
}

// ends fails the test unless the pack's only slot has ended as a gap for that
// reason.
func (h *rig) ends(t *testing.T, pack string, want fault.Reason, detail string) {
	t.Helper()
	records := records(t, h, pack)
	if len(records) != 1 || records[0].State != evidence.Gapped || records[0].Reason != want || !strings.Contains(records[0].Detail, detail) {
		t.Fatalf("the records are %+v, want a gap for %q and %q", records, want, detail)
	}
	if n := h.spooled(t); n != 0 {
		t.Errorf("the spool holds %d entries", n)
	}
}

func records(t *testing.T, h *rig, pack string) (all []evidence.Record) {
	t.Helper()
	for r, err := range h.Records(context.Background(), catalog.Query{Source: "prod", Pack: pack}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}
