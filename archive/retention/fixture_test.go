package retention_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/retention"
	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/sink"
)

const origin = "example.com/packseal/test"

var discard = slog.New(slog.DiscardHandler)

// dying is a sink of a process that dies: after some calls, over all its sinks, none
// is answered.
type dying struct {
	*sink.Memory
	life *life
}

// life counts calls down. Once it is 0, the process is dead: with lost, the last call
// was done all the same. A negative one has no end.
type life struct {
	mu   sync.Mutex
	left int
	lost bool
	seen []string
}

var errDead = fault.New(fault.SinkUnavailable, "the process is dead")

// call makes a call, unless the process is dead.
func (l *life) call(op, key string, do func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, op+" "+key)
	if l.left == 0 {
		return errDead
	}
	if l.left--; l.left != 0 {
		return do()
	}
	if l.lost {
		return errors.Join(do(), errDead)
	}
	return errDead
}

func (d dying) Put(ctx context.Context, key string, c sink.Content) error {
	return d.life.call("put", key, func() error { return d.Memory.Put(ctx, key, c) })
}

func (d dying) Open(ctx context.Context, key string) (rc io.ReadCloser, err error) {
	err = d.life.call("open", key, func() (err error) {
		rc, err = d.Memory.Open(ctx, key)
		return err
	})
	return rc, err
}

func (d dying) DeleteObject(ctx context.Context, key string) error {
	return d.life.call("delete", key, func() error { return d.Memory.DeleteObject(ctx, key) })
}

func (d dying) Lock(ctx context.Context, key string) (l sink.Lock, err error) {
	err = d.life.call("lock", key, func() (err error) {
		l, err = d.Memory.Lock(ctx, key)
		return err
	})
	return l, err
}

func (d dying) List(ctx context.Context, prefix, after string) iter.Seq2[sink.Entry, error] {
	return func(yield func(sink.Entry, error) bool) {
		if err := d.life.call("list", prefix, func() error { return nil }); err != nil {
			yield(sink.Entry{}, err)
			return
		}
		d.Memory.List(ctx, prefix, after)(yield)
	}
}

// rig is an archive in two sinks, with a ledger.
type rig struct {
	memories []*sink.Memory
	key      secret.File
	state    string
}

// newRig makes one with reports of these packs that fell due so many days ago.
func newRig(t *testing.T, packs map[string][]int) *rig {
	t.Helper()
	key, _, err := ledger.GenerateKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{memories: []*sink.Memory{sink.NewMemory(), sink.NewMemory()}, state: t.TempDir()}
	r.key = secret.File(filepath.Join(t.TempDir(), "key"))
	if err := os.WriteFile(string(r.key), []byte(key.Reveal()), 0o600); err != nil {
		t.Fatal(err)
	}
	p := r.start(t, nil)
	for pack, days := range packs {
		for _, ago := range days {
			p.imports(t, slot(pack, ago))
		}
	}
	if err := p.ledger.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// clone is a copy of it.
func (r *rig) clone(t *testing.T) *rig {
	t.Helper()
	c := &rig{key: r.key, state: t.TempDir()}
	for _, m := range r.memories {
		copied := sink.NewMemory()
		for key, b := range objects(t, m) {
			if err := copied.Put(t.Context(), key, sink.Bytes([]byte(b))); err != nil {
				t.Fatal(err)
			}
		}
		c.memories = append(c.memories, copied)
	}
	return c
}

// process is one on the sinks and the state of a rig.
type process struct {
	*archive.Archive
	*retention.Pruner
	ledger *ledger.Ledger
}

// keep is how long the reports of a rig are kept.
var keep, _ = evidence.ParseKeep("90d")

// start starts a process, which lives as long as life does; nil = for ever.
func (r *rig) start(t *testing.T, l *life) *process {
	t.Helper()
	if l == nil {
		l = &life{left: -1}
	}
	keys, err := ledger.ReadKeys(r.key, origin)
	if err != nil {
		t.Fatal(err)
	}
	lo := ledger.Options{Origin: origin, Keys: keys, Dir: filepath.Join(r.state, "ledger"), Tool: "packseal/test", Logger: discard}
	ao := archive.Options{Tool: "packseal/test", Logger: discard}
	for i, m := range r.memories {
		target := archive.Target{Name: fmt.Sprint("sink", i), Sink: dying{m, l}}
		ao.Sinks, lo.Sinks = append(ao.Sinks, target), append(lo.Sinks, ledger.Target(target))
	}
	p := &process{}
	if p.ledger, err = ledger.Open(lo); err != nil {
		t.Fatal(err)
	}
	if ao.Spool, err = fetcher.OpenSpool(filepath.Join(r.state, "spool")); err != nil {
		t.Fatal(err)
	}
	ao.Ledger = p.ledger
	if p.Archive, err = archive.New(ao); err != nil {
		t.Fatal(err)
	}
	p.Pruner, err = retention.New(retention.Options{Archive: p.Archive, Ledger: p.ledger, Keep: keep, Tool: "packseal/test", Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// imports seals a report of the slot.
func (p *process) imports(t *testing.T, s evidence.Slot) {
	t.Helper()
	_, err := p.Import(t.Context(), s, strings.NewReader("Resource,Result\n"+strings.Repeat(s.String()+",ok\n", 100)), evidence.Imported{At: time.Now().UTC().Truncate(time.Second), By: "test", File: "r.csv"}, fetcher.Settings{})
	if err != nil {
		t.Fatal(err)
	}
}

// midnight is the last one.
var midnight = time.Now().UTC().Truncate(24 * time.Hour)

// slot is the pack's that fell due so many days ago.
func slot(pack string, ago int) evidence.Slot {
	return evidence.Slot{Source: "prod", Pack: pack, Due: midnight.AddDate(0, 0, -ago)}
}

// objects are those of a sink, by key.
func objects(t *testing.T, s *sink.Memory) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for e, err := range s.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		b, err := sink.ReadAll(t.Context(), s, e.Key, evidence.MaxRecord)
		if err != nil {
			t.Fatal(err)
		}
		all[e.Key] = string(b)
	}
	return all
}

// reports are the slots whose reports a sink has, as "cp-1 100", the days since they
// fell due.
func reports(t *testing.T, s *sink.Memory) (all []string) {
	t.Helper()
	for key := range objects(t, s) {
		if of, name, ok := evidence.ParseKey(key); ok && name != evidence.ManifestName {
			all = append(all, short(of))
		}
	}
	slices.Sort(all)
	return all
}

func short(s evidence.Slot) string {
	return fmt.Sprint(s.Pack, " ", int(midnight.Sub(s.Due).Hours())/24)
}

// planned are the reports that a plan has removed.
func planned(p retention.Plan) (all []string) {
	for _, r := range p.Reports {
		all = append(all, short(r.Slot))
	}
	slices.Sort(all)
	return all
}

// entries are those of the ledger.
func (p *process) entries(t *testing.T) (all []tree.Entry) {
	t.Helper()
	if err := p.ledger.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for e, err := range p.ledger.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}
