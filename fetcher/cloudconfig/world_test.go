package cloudconfig_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
)

// kinds has the packs by their kinds; template and inventory are asked for without
// a token.
var kinds = map[string]sim.Pack{
	"pack":            {ID: "cp-1"},
	"rules":           {ID: "rules"},
	"group's rules":   {ID: "rules", Aggregator: "ca-1"},
	"template":        {ID: "crt-1"},
	"inventory":       {ID: "inventory"},
	"group inventory": {ID: "inventory", Aggregator: "ca-1"},
}

// cutting is a transport whose answers get lost when their callers end, although
// the calls take effect.
type cutting struct {
	inProcess
	*world
}

func (c cutting) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.inProcess.RoundTrip(r)
	if c.served != nil {
		c.served(r)
	}
	if cause := r.Context().Err(); cause != nil {
		return nil, cause
	}
	if res != nil {
		res.Request = r
	}
	return res, err
}

// world is an API with one pack, and the state that processes leave behind.
type world struct {
	*sim.Server
	pack sim.Pack
	slot evidence.Slot
	dir  string // of the spool
	keys *cloudconfig.Credentials

	evaluate time.Duration       // how long to wait for an evaluation; 0 = there is none
	served   func(*http.Request) // called when a call has taken effect; may be nil
}

// newWorld returns a world whose slot is due now.
func newWorld(t *testing.T, pack sim.Pack, latency time.Duration) *world {
	t.Helper()
	server, err := sim.New(sim.Options{AccessKeyID: keyID, AccessKeySecret: keySecret, Packs: []sim.Pack{pack}, Latency: latency})
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		Server: server, pack: pack, dir: t.TempDir(), slot: evidence.PackRef{Source: "prod", ID: pack.ID, Aggregator: pack.Aggregator}.Slot(time.Now()),
		keys: &cloudconfig.Credentials{AccessKeyIDFile: file(t, "id", keyID), AccessKeySecretFile: file(t, "secret", keySecret)},
	}
}

// run fetches the slot's report as a process does that was just started.
func (w *world) run(ctx context.Context) (r fetcher.Report, err error) {
	transport := cutting{inProcess{w.Server}, w}
	logger := slog.New(slog.DiscardHandler)
	client, err := cloudconfig.New(cloudconfig.Options{Endpoint: "config.example.com", RequestsPerSecond: 100, Credentials: w.keys}, fetcher.Env{Logger: logger}, transport)
	if err != nil {
		return r, err
	}
	f, err := fetcher.New(fetcher.Options{
		Source: client, Logger: logger, Transport: transport, Settings: fetcher.Settings{PollMax: 10 * time.Second},
		Bounds: fetcher.Bounds{LinkHosts: []string{"config.example.com"}, AllowHTTP: true},
	})
	if err != nil {
		return r, err
	}
	spool, err := fetcher.OpenSpool(w.dir)
	if err != nil {
		return r, err
	}
	e, err := spool.Lock(ctx, w.slot)
	if err != nil {
		return r, err
	}
	defer e.Close()
	if w.evaluate > 0 {
		f.Evaluate(ctx, e, w.slot, w.evaluate)
	}
	return f.Fetch(ctx, e, w.slot)
}

// fetches has a process fetch the report, and checks that, and how many were requested.
func (w *world) fetches(t *testing.T, requested int) {
	t.Helper()
	r, err := w.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.check(t, r)
	if got := w.Made(w.slot.Ref().Key()); got != requested {
		t.Errorf("%d reports were requested", got)
	}
}

// check fails the test unless the report was made for the slot.
func (w *world) check(t *testing.T, r fetcher.Report) {
	t.Helper()
	for _, done := range w.Reports(w.pack.Key()) {
		at := done.Done
		if w.pack.ID == "inventory" {
			at = done.Began
		}
		if done.ID != r.ReportID || !at.Equal(r.Created) {
			continue
		}
		made := done.Began
		if done.ID == "" && w.pack.ID != "inventory" || w.pack.ID == "rules" {
			made = done.Done // no more is known of it
		}
		if made.Before(w.slot.Due) || done.Status != "COMPLETE" {
			t.Errorf("got a report of %s that ended as %s, due %s", made, done.Status, w.slot.Due)
		}
		return
	}
	t.Errorf("there is no such report: %+v", r)
}

// generating returns the call that requests a report of the pack.
func generating(p sim.Pack) string {
	group := map[bool]string{true: "Aggregate"}[p.Aggregator != ""]
	switch {
	case p.ID == "rules":
		return "Generate" + group + "ConfigRulesReport"
	case p.ID == "inventory":
		return "Generate" + group + "ResourceInventory"
	case strings.HasPrefix(p.ID, "crt-"):
		return "GenerateReportFromTemplate"
	}
	return "Generate" + group + "CompliancePackReport"
}
