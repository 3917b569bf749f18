package cloudconfig_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
)

// Marked keys, to detect leaks.
const (
	keyID     = "MARKED-key-id"
	keySecret = "MARKED-key-secret"
	keyToken  = "MARKED-token"
)

// inProcess passes requests to a handler without a socket.
type inProcess struct{ handler http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	in := r.Clone(r.Context())
	in.Host, in.RequestURI, in.RemoteAddr = r.URL.Host, r.URL.RequestURI(), "192.0.2.1:1"
	if err := serve(p.handler, w, in); err != nil {
		return nil, err
	}
	res := w.Result()
	res.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	return res, nil
}

// serve returns an error if the handler aborts the connection.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("connection reset by peer")
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// start starts a simulator with the packs and returns a client of it. It fails the
// test if the log contains secrets.
func start(t *testing.T, packs ...sim.Pack) *cloudconfig.Client {
	t.Helper()
	c, _ := startBoth(t, packs...)
	return c
}

// startBoth is start, with the simulator.
func startBoth(t *testing.T, packs ...sim.Pack) (*cloudconfig.Client, *sim.Server) {
	t.Helper()
	server, err := sim.New(sim.Options{AccessKeyID: keyID, AccessKeySecret: keySecret, SecurityToken: keyToken, Packs: packs})
	if err != nil {
		t.Fatal(err)
	}
	var logs bytes.Buffer
	t.Cleanup(func() {
		if strings.Contains(logs.String(), "MARKED") {
			t.Errorf("a secret is in the logs:\n%s", logs.String())
		}
	})
	c, err := cloudconfig.New(cloudconfig.Options{
		Endpoint:          "config.example.com",
		RequestsPerSecond: 100,
		Credentials: &cloudconfig.Credentials{
			AccessKeyIDFile: file(t, "id", keyID), AccessKeySecretFile: file(t, "secret", keySecret), SecurityTokenFile: file(t, "token", keyToken),
		},
	}, fetcher.Env{
		Registerer: prometheus.NewRegistry(), UserAgent: "packseal/test",
		Logger: slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}, inProcess{server})
	if err != nil {
		t.Fatal(err)
	}
	return c, server
}

func file(t *testing.T, name, content string) secret.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return secret.File(path)
}

// await polls for the link.
func await(ctx context.Context, c *cloudconfig.Client, ticket fetcher.Ticket) (fetcher.Link, error) {
	for {
		link, err := c.Lookup(ctx, ticket)
		if fault.Of(err) != fault.NotReady || errors.Is(err, fetcher.ErrStale) || !fault.Sleep(ctx, time.Second) {
			return link, err
		}
	}
}

func TestSimulator(t *testing.T) {
	t.Parallel()
	const n = 3
	for name, c := range map[string]struct {
		pack     sim.Pack
		attached bool
		baseline bool
		reason   fault.Reason
	}{
		"ordinary":  {pack: sim.Pack{ID: "cp-1"}},
		"slow":      {pack: sim.Pack{ID: "cp-1", Script: sim.Script{Make: time.Minute}}},
		"standing":  {pack: sim.Pack{ID: "cp-1", Script: sim.Script{Make: time.Minute, Standing: 24 * time.Hour}}, baseline: true},
		"attached":  {pack: sim.Pack{ID: "cp-1", Script: sim.Script{Standing: 30 * time.Minute}}, attached: true},
		"group":     {pack: sim.Pack{ID: "cp-1", Aggregator: "ca-1", Script: sim.Script{Make: time.Second}}},
		"throttled": {pack: sim.Pack{ID: "cp-1", Script: sim.Script{Throttles: n}}},
		"broken": {pack: sim.Pack{ID: "cp-1", Script: sim.Script{Failures: []sim.Failure{
			{Status: 502, Body: "<html><body>Bad Gateway</body></html>"}, {}, {Code: "ServiceUnavailable", Call: "GenerateCompliancePackReport", Times: 2},
			{Code: "SignatureNonceUsed"}, {Code: "InvalidSecurityToken.Expired", Status: 403},
		}}}},
		"denied":  {pack: sim.Pack{ID: "cp-1", Script: sim.Script{Failures: []sim.Failure{{Code: "NoPermission", Times: 99}}}}, reason: fault.Denied},
		"gone":    {pack: sim.Pack{ID: "cp-other"}, reason: fault.NotFound},
		"garbage": {pack: sim.Pack{ID: "cp-1", Script: sim.Script{Failures: []sim.Failure{{Body: "<html>", Times: 99}}}}, reason: fault.Damaged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := start(t, c.pack)
				due := time.Now().Add(-time.Hour).UTC()
				ticket, err := client.Generate(t.Context(), fetcher.Order{Slot: evidence.PackRef{ID: "cp-1", Aggregator: c.pack.Aggregator}.Slot(due)})
				if fault.Of(err) != c.reason {
					t.Fatalf("Generate: %v, want reason %q", err, c.reason)
				}
				if err != nil {
					if strings.Contains(err.Error()+fault.Hint(err), "MARKED") || fault.Hint(err) == "" {
						t.Errorf("error %q, hint %q", err, fault.Hint(err))
					}
					return
				}
				if ticket.Attached != c.attached || ticket.Baseline.IsZero() == c.baseline {
					t.Errorf("attached %v, baseline %v", ticket.Attached, ticket.Baseline)
				}
				link, err := await(t.Context(), client, ticket)
				if err != nil {
					t.Fatalf("Lookup: %v", err)
				}
				if link.URL == "" || !ticket.Fresh(link.Created) || link.Created.Before(due) || link.Account == "" || link.Served.IsZero() || link.RequestID == "" {
					t.Errorf("link %+v for %+v", link, ticket)
				}
				if want := map[bool]int{false: 2, true: 1}[c.attached]; len(ticket.RequestIDs) != want {
					t.Errorf("request IDs %v, want %d", ticket.RequestIDs, want)
				}
			})
		})
	}
}

// Generate attaches to a report that is being generated.
func TestSimulatorAttaches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := start(t, sim.Pack{ID: "cp-1", Script: sim.Script{Make: time.Minute}})
		due, pack := time.Now().UTC(), evidence.PackRef{ID: "cp-1"}
		if _, err := client.Generate(t.Context(), fetcher.Order{Slot: pack.Slot(due.Add(-time.Hour))}); err != nil {
			t.Fatal(err)
		}
		ticket, err := client.Generate(t.Context(), fetcher.Order{Slot: pack.Slot(due)})
		if err != nil || !ticket.Attached || len(ticket.RequestIDs) != 2 {
			t.Fatalf("got %+v, %v", ticket, err)
		}
		if link, err := await(t.Context(), client, ticket); err != nil || link.Created.Before(due) {
			t.Errorf("got %v, %v", link.Created, err)
		}
	})
}

// TestPagesShift: a pack that is deleted while pages are read hides another one, which
// the source, asked for it, still has; the next listing shows it. A pack that is
// created meanwhile is listed once.
func TestPagesShift(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var packs []sim.Pack
		for i := range 250 {
			packs = append(packs, sim.Pack{ID: fmt.Sprintf("cp-%03d", i)})
		}
		client, server := startBoth(t, packs...)
		list := func(at func(id string)) map[string]int {
			seen := make(map[string]int)
			for p, err := range client.Packs(t.Context(), "") {
				if err != nil {
					t.Fatal(err)
				}
				seen[p.ID]++
				at(p.ID)
			}
			return seen
		}
		seen := list(func(id string) {
			if id == "cp-099" { // the first page is read
				server.Remove("cp-000")
			}
		})
		if len(seen) != 249 || seen["cp-100"] != 0 {
			t.Errorf("%d packs, cp-100 %d times", len(seen), seen["cp-100"])
		}
		for id, gone := range map[string]bool{"cp-100": false, "cp-000": true} {
			if got, err := client.Gone(t.Context(), evidence.PackRef{ID: id}); err != nil || got != gone {
				t.Errorf("%s is gone: %t, %v", id, got, err)
			}
		}
		seen = list(func(id string) {
			if id == "cp-200" {
				if err := server.Add(sim.Pack{ID: "cp-new"}); err != nil {
					t.Error(err)
				}
			}
		})
		if len(seen) != 250 || seen["cp-100"] != 1 || seen["cp-new"] != 1 || seen["cp-000"] != 0 {
			t.Errorf("then %d packs, cp-100 %d times, cp-new %d times", len(seen), seen["cp-100"], seen["cp-new"])
		}
	})
}

func TestSimulatorLists(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var packs []sim.Pack
		for i := range 205 {
			packs = append(packs, sim.Pack{ID: "cp-" + strings.Repeat("x", i+1)})
		}
		packs = append(packs, sim.Pack{ID: "cp-g", Aggregator: "ca-1", Name: "group's"})
		client := start(t, packs...)
		for aggregator, want := range map[string]int{"": 205, "ca-1": 1} {
			var got []string
			for p, err := range client.Packs(t.Context(), aggregator) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, p.ID)
			}
			slices.Sort(got)
			if len(slices.Compact(got)) != want {
				t.Errorf("group %q: %d packs, want %d", aggregator, len(got), want)
			}
		}
		for range client.Packs(t.Context(), "") {
			break // an early break must not panic
		}
		for _, err := range client.Packs(t.Context(), "ca-unknown") {
			if fault.Of(err) != fault.NotFound {
				t.Errorf("unknown group: %v", err)
			}
		}
	})
}

// The source as the daemon opens it, with a simulator whose clock is skewed.
func TestSimulatorOverSockets(t *testing.T) {
	t.Parallel()
	const skew = 40 * time.Minute
	handler, err := sim.New(sim.Options{
		AccessKeyID: keyID, AccessKeySecret: keySecret, Skew: skew,
		Packs: []sim.Pack{{ID: "cp-1", Script: sim.Script{Standing: 24 * time.Hour}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	var logs bytes.Buffer
	options := cloudconfig.Options{Endpoint: server.URL, Credentials: &cloudconfig.Credentials{
		AccessKeyIDFile: file(t, "id", keyID), AccessKeySecretFile: file(t, "secret", keySecret),
	}}
	if problems := options.Check(); len(problems) > 0 {
		t.Fatal(problems)
	}
	source, err := options.Open(fetcher.Env{Logger: slog.New(slog.NewTextHandler(&logs, nil)), UserAgent: "packseal/test"})
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := source.Generate(t.Context(), fetcher.Order{Slot: evidence.PackRef{ID: "cp-1"}.Slot(time.Now())})
	if err != nil || ticket.Baseline.IsZero() {
		t.Fatalf("got %+v, %v", ticket, err)
	}
	link, err := source.Lookup(t.Context(), ticket)
	if ahead := time.Until(link.Served); err != nil || (ahead-skew).Abs() > time.Minute {
		t.Errorf("got %+v, %v", link, err)
	}
	if got := logs.String(); strings.Count(got, "local clock skewed") != 1 || strings.Contains(got, "MARKED") {
		t.Errorf("logged %s", got)
	}
}
