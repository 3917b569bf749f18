package ledger_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/secret"
	"packseal.example/sink"
	"packseal.example/sink/local"
)

// files are the files of a state folder, by path.
type files map[string]string

func snapshot(t *testing.T, dir string) files {
	t.Helper()
	all := make(files)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "lock" {
			return err
		}
		b, err := os.ReadFile(name)
		path, _ := filepath.Rel(dir, name)
		all[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// dir makes a state folder of the files.
func (f files) dir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range f {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700), os.WriteFile(filepath.Join(dir, name), []byte(b), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// crash is what is left when a process ends at some point.
type crash struct {
	at            string
	state         files
	first, mirror *store
}

// crashes returns what is left at every point of a commit: before and after each
// call of a sink, and between the changes of the state folder in between.
func crashes(t *testing.T, r *replica, first, mirror *store) (all []crash) {
	t.Helper()
	add := func(name, when string) func(op, key string) error {
		return func(op, key string) error {
			all = append(all, crash{fmt.Sprintf("%s %s %s %s", when, op, name, key), snapshot(t, r.dir), first.clone(), mirror.clone()})
			return nil
		}
	}
	first.breaks(add("first", "before"), add("first", "after"))
	mirror.breaks(add("mirror", "before"), add("mirror", "after"))
	r.commit()
	first.breaks(nil, nil)
	mirror.breaks(nil, nil)
	all = append(all, crash{"end", snapshot(t, r.dir), first.clone(), mirror.clone()})
	for i, c := range slices.Clone(all[1:]) {
		state, removed := maps.Clone(all[i].state), 0
		for _, name := range slices.Sorted(maps.Keys(all[i].state)) {
			if _, ok := c.state[name]; ok { // entries are removed before the tip is noted
				continue
			}
			delete(state, name)
			if removed++; removed%64 == 1 {
				all = append(all, crash{fmt.Sprintf("%d entries removed before: %s", removed, c.at), maps.Clone(state), c.first.clone(), c.mirror.clone()})
			}
		}
	}
	return all
}

// TestCrash: wherever a process ends, the next one logs what is owed, once, and
// makes the rest whole.
func TestCrash(t *testing.T) {
	t.Parallel()
	k := newKey(t, origin)
	first, mirror := newStore(), newStore()
	r := open(t, k.file, t.TempDir(), first, mirror)
	want := r.append("before", 0, 2)
	for i := range 255 {
		want = append(want, r.log("x", i))
	}
	points := crashes(t, r, first, mirror)
	if len(points) < 40 {
		t.Fatalf("there are only %d points", len(points))
	}
	for _, c := range points {
		t.Run(c.at, func(t *testing.T) {
			t.Parallel()
			r := open(t, k.file, c.state.dir(t), c.first, c.mirror)
			r.commit()
			r.has()
			got, _ := replay(t, c.first, k.verifier)
			sameEntries(t, got, want)
			if s := r.Status(); s.Owed != 0 {
				t.Errorf("%d entries are still owed", s.Owed)
			}
			var tiler tree.Tiler
			for _, tile := range tiler.Fill(got[:tree.TileWidth]) {
				if string(c.first.get(tile.Key)) != string(tile.Data) {
					t.Errorf("there is no %s", tile.Key)
				}
			}
			for key := range c.first.objects {
				if strings.HasPrefix(key, tree.Dir) && string(c.mirror.get(key)) != string(c.first.get(key)) {
					t.Errorf("the mirror lacks %s", key)
				}
			}
		})
	}
}

// TestTipLost: a replica whose tip was removed, and which did not note yet that the ledger
// has what it owes, logs nothing twice.
func TestTipLost(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.logged = append(s.logged, s.log("late", 0), s.log("late", 1))
	s.first.breaks(nil, func(op, key string) error {
		if op == "put" && key == tree.BatchKey(5) {
			return down
		}
		return nil
	})
	if err := s.Commit(t.Context()); err == nil {
		t.Error("commit: no error")
	}
	s.first.breaks(nil, nil)
	if err := os.Remove(filepath.Join(s.dir, "tip")); err != nil {
		t.Fatal(err)
	}
	r := s.again()
	s.logged = append(s.logged, r.append("after", 0, 1)...)
	s.whole(s.first)
	if st := r.Status(); st.Owed > 0 {
		t.Errorf("%d are owed", st.Owed)
	}
}

// TestAnswerLost: every call's answer may be lost, and every call may fail.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*store, func(op, key string) error){
		"lost":   func(s *store, f func(op, key string) error) { s.breaks(nil, f) },
		"failed": func(s *store, f func(op, key string) error) { s.breaks(f, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKey(t, origin)
			first, mirror := newStore(), newStore()
			r := open(t, k.file, t.TempDir(), first, mirror)
			want := r.append("before", 0, 2)
			for call, failed := 0, 1; failed > 0; call++ {
				for i := range 3 {
					want = append(want, r.log(fmt.Sprintf("x%dx", call), i))
				}
				calls := 0
				failed = 0
				set(first, func(op, key string) error {
					if calls++; calls == call+1 {
						failed++
						return down
					}
					return nil
				})
				if err := r.Commit(t.Context()); err != nil && !errors.Is(err, down) {
					t.Errorf("call %d: %v", call, err)
				}
				first.breaks(nil, nil)
				r.commit()
				r.has()
			}
			got, _ := replay(t, first, k.verifier)
			sameEntries(t, got, want)
			got, _ = replay(t, mirror, k.verifier)
			sameEntries(t, got, want)
		})
	}
}

// The environment of the child of TestKilled.
const (
	childDir = "PACKSEAL_LEDGER_CHILD"
	childKey = "PACKSEAL_LEDGER_KEY"
)

// child logs and commits until it is killed, and prints what it has logged.
func child(dir string) error {
	var o ledger.Options
	keys, err := ledger.ReadKeys(secret.File(os.Getenv(childKey)), origin)
	if err != nil {
		return err
	}
	for _, name := range []string{"first", "mirror"} {
		s, err := (&local.Options{Dir: filepath.Join(dir, name)}).Open(context.Background())
		if err != nil {
			return err
		}
		o.Sinks = append(o.Sinks, ledger.Target{Name: name, Sink: s})
	}
	o.Origin, o.Keys, o.Dir, o.Tool, o.Logger = origin, keys, filepath.Join(dir, "state"), "packseal/test", slog.New(slog.DiscardHandler)
	l, err := ledger.Open(o)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		e, b := object(fmt.Sprintf("%dx", os.Getpid()), i)
		if err := l.Log(e, func() error { return o.Sinks[0].Put(context.Background(), e.Key, sink.Bytes(b)) }); err != nil {
			return err
		}
		fmt.Println(e)
		if i%5 == 4 {
			if err := l.Commit(context.Background()); err != nil {
				return err
			}
			if p := l.Status().Problems; len(p) > 0 {
				return fmt.Errorf("%v", p)
			}
		}
	}
}

// TestKilled: a process is killed again and again while it appends. What it said it
// had logged is in the ledger, once. PACKSEAL_KILLS sets how often.
func TestKilled(t *testing.T) {
	t.Parallel()
	rounds := 20
	if n, err := strconv.Atoi(os.Getenv("PACKSEAL_KILLS")); err == nil {
		rounds = n
	}
	k, dir := newKey(t, origin), t.TempDir()
	said := make(map[string]bool)
	for range rounds {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir, childKey+"="+string(k.file))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var trouble strings.Builder
		cmd.Stderr = &trouble
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		killed := false
		for n := 0; lines.Scan(); n++ {
			said[lines.Text()] = true
			if n == 7 && !killed { // it has begun
				killed = true
				time.AfterFunc(time.Duration(rand.IntN(30_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
			}
		}
		_ = cmd.Wait()
		if trouble.Len() > 0 {
			t.Fatal(trouble.String())
		}
	}
	var sinks []sink.Sink
	for _, name := range []string{"first", "mirror"} {
		s, err := (&local.Options{Dir: filepath.Join(dir, name)}).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sinks = append(sinks, s)
	}
	r := open(t, k.file, filepath.Join(dir, "state"), sinks...)
	r.commit()
	r.has()
	for _, s := range sinks {
		got, head := replay(t, s, k.verifier)
		logged := make(map[string]bool)
		for _, e := range got {
			logged[e.String()] = true
		}
		for e := range said {
			if !logged[e] {
				t.Errorf("%s is lost", e)
			}
		}
		if head.Checkpoint() != r.Status().Checkpoint || len(said) < 8*rounds {
			t.Errorf("of %d entries the ledger is at %v", len(said), head.Checkpoint())
		}
	}
}
