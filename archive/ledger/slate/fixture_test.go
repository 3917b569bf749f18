package slate_test

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/slate"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/plans"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/sink"
)

const origin = "example.com/packseal/test"

// shared is a sink in memory, which several replicas may have, and its plans.
type shared struct {
	sink.Sink
	key   string
	plans map[string]evidence.Plan
	down  bool            // it takes nothing,
	takes string          // but what is under keys that begin so; "" = nothing
	lost  map[string]bool // keys of what is not there any more
}

func newShared(t *testing.T) *shared {
	t.Helper()
	key, _, err := ledger.GenerateKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	return &shared{Sink: sink.NewMemory(), key: key.Reveal(), plans: make(map[string]evidence.Plan), lost: make(map[string]bool)}
}

// Put implements [sink.Sink].
func (s *shared) Put(ctx context.Context, key string, c sink.Content) error {
	if s.down && (s.takes == "" || !strings.HasPrefix(key, s.takes)) {
		return fault.New(fault.SinkUnavailable, "down")
	}
	return s.Sink.Put(ctx, key, c)
}

// Open implements [sink.Sink].
func (s *shared) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if s.lost[key] {
		return nil, sink.NotExist(key)
	}
	return s.Sink.Open(ctx, key)
}

// planned adds a plan that is in force from the next second on.
func (s *shared) planned(t *testing.T, packs ...evidence.PlannedPack) map[string]evidence.Plan {
	t.Helper()
	made := records(t, map[time.Time][]evidence.PlannedPack{evidence.NextSecond(time.Now()): packs})
	maps.Copy(s.plans, made)
	return made
}

// plan adds a plan of one record, and returns its key.
func (s *shared) plan(t *testing.T, packs ...evidence.PlannedPack) (key string) {
	t.Helper()
	for key = range s.planned(t, packs...) {
	}
	return key
}

// replica is a process with a writer.
type replica struct {
	t *testing.T
	*slate.Writer
	ledger *ledger.Ledger
	on     *shared
}

// replica starts a replica without state.
func (s *shared) replica(t *testing.T) *replica {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(s.key), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := ledger.ReadKeys(secret.File(file), origin)
	if err != nil {
		t.Fatal(err)
	}
	discard := slog.New(slog.DiscardHandler)
	l, err := ledger.Open(ledger.Options{
		Origin: origin, Keys: keys, Dir: t.TempDir(), Tool: "packseal/test", Logger: discard, Sinks: []ledger.Target{{Name: "a", Sink: s}},
	})
	if err != nil {
		t.Fatal(err)
	}
	// A plan is on its way to the archive until it is in force.
	recorded := func(context.Context) (map[string]evidence.Plan, bool, error) {
		all := maps.Clone(s.plans)
		maps.DeleteFunc(all, func(_ string, p evidence.Plan) bool { return p.Since.After(time.Now()) })
		return all, len(all) < len(s.plans), nil
	}
	return &replica{t, slate.NewWriter(slate.Options{Ledger: l, Plans: recorded, Tool: "packseal/test", Logger: discard}), l, s}
}

// write writes slates until the writer has nothing to do for now.
func (r *replica) write() time.Duration {
	r.t.Helper()
	for {
		wait, err := r.Write(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		if wait >= time.Minute {
			return wait
		}
		time.Sleep(wait)
	}
}

// entries returns what the ledger has.
func (r *replica) entries() (all []tree.Entry) {
	r.t.Helper()
	if err := r.ledger.Commit(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	for e, err := range r.ledger.Entries(r.t.Context()) {
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// all returns the plans with those that the sink has besides.
func (r *replica) all() map[string]evidence.Plan {
	r.t.Helper()
	all := maps.Clone(r.on.plans)
	for e, err := range r.on.List(r.t.Context(), evidence.PlanDir, "") {
		if err != nil {
			r.t.Fatal(err)
		}
		raw, err := sink.ReadAll(r.t.Context(), r.on, e.Key, evidence.MaxRecord)
		if err != nil {
			r.t.Fatal(err)
		}
		if all[e.Key], err = evidence.DecodePlan(raw, e.Key); err != nil {
			r.t.Fatal(err)
		}
	}
	return all
}

// slates returns the ledger's slates, by when they begin, after it has compared each
// with its plan, which the ledger must have, too.
func (r *replica) slates() (all []evidence.Slate) {
	r.t.Helper()
	h, logged := plans.NewHistory(r.all(), nil), make(map[string]bool)
	for _, e := range r.entries() {
		logged[e.Key] = true
		if e.Kind() != tree.Slate {
			continue
		}
		raw, err := r.ledger.ReadRecord(r.t.Context(), e)
		if err != nil {
			r.t.Fatal(err)
		}
		s, err := evidence.DecodeSlate(raw, e.Key)
		if err != nil {
			r.t.Fatal(err)
		}
		p, ok := h.Find(s.Plan)
		if !ok {
			r.t.Fatalf("%s is by a plan that nobody knows", e.Key)
		}
		for key := range p.Records() {
			if !logged[key] {
				r.t.Errorf("the ledger has %s, and its plan %s not before it", e.Key, key)
			}
		}
		for d := range slate.Check(s, p) {
			r.t.Errorf("%s: %s", e.Key, d)
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b evidence.Slate) int { return a.From.Compare(b.From) })
	return all
}

// contiguous returns the slates, each of which must begin where the one before ends.
func (r *replica) contiguous() []evidence.Slate {
	r.t.Helper()
	all := r.slates()
	for i, s := range all {
		if i > 0 && !s.From.Equal(all[i-1].Until) {
			r.t.Errorf("a slate from %s follows one until %s", s.From, all[i-1].Until)
		}
	}
	return all
}

// promised returns when the slates say that something is due.
func promised(all []evidence.Slate) []time.Time {
	times := make(map[time.Time]bool)
	for _, s := range all {
		for _, d := range s.Due {
			for _, at := range d.Times {
				times[at] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(times), time.Time.Compare)
}

// reaches checks that slates reach a day ahead at least.
func (r *replica) reaches(all []evidence.Slate) {
	r.t.Helper()
	if n := len(all); n == 0 || time.Until(all[n-1].Until) < 24*time.Hour {
		r.t.Errorf("at %s there are %d slates; the last one is %+v", time.Now().UTC(), n, all[max(n-1, 0):])
	}
}
