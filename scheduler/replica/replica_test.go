package replica

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"packseal.example/test/lab"
)

func TestMain(m *testing.M) {
	lab.Parallel(8)
	goleak.VerifyTestMain(m)
}

// newServer runs a NATS server and returns how to connect to it.
func newServer(t *testing.T) (connect func() *nats.Conn) {
	t.Helper()
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server does not become ready")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return func() *nats.Conn {
		conn, err := nats.Connect("", nats.InProcessServer(s))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		return conn
	}
}

// openBucket opens the bucket over a connection.
func openBucket(t *testing.T, conn *nats.Conn) *Bucket {
	t.Helper()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	b, err := OpenBucket(t.Context(), js, "bucket", 1<<20, 1)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// join makes a replica one of the group, which answers its name so many times,
// and runs it until the test or stop ends.
func join(t *testing.T, conn *nats.Conn, name string, answers int) (g *Group, stop func()) {
	t.Helper()
	g, err := Join(Options{
		Name: name, Conn: conn, Bucket: openBucket(t, conn), Prefix: "test", Logger: slog.New(slog.DiscardHandler),
		Answer: func() []json.RawMessage {
			return slices.Repeat([]json.RawMessage{json.RawMessage(fmt.Sprintf("%q", name))}, answers)
		},
		Timing: Timing{Heartbeat: 50 * time.Millisecond, FailAfter: 2 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { g.Run(ctx); close(done) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return g, stop
}

// live waits until each of the replicas counts so many.
func live(t *testing.T, n int, all ...*Group) {
	t.Helper()
	for _, g := range all {
		lab.Eventually(t, fmt.Sprintf("%s counts %d", g.Name(), n), func() bool { return g.Live() == n })
	}
}

// TestGroup: replicas see one another come, leave and die, and answer.
func TestGroup(t *testing.T) {
	t.Parallel()
	connect := newServer(t)
	a, _ := join(t, connect(), "a", 3)
	live(t, 1, a)
	b, leave := join(t, connect(), "b", 2*chunk+1)
	conn := connect()
	c, _ := join(t, conn, "c", 0)
	live(t, 3, a, b, c)
	gather := func(want map[string]int, members ...Member) {
		t.Helper()
		got := make(map[string]int)
		answering := a.Gather(t.Context(), func(member string, items []json.RawMessage) {
			for _, item := range items {
				if string(item) != fmt.Sprintf("%q", member) {
					t.Errorf("%s answers %s", member, item)
				}
				got[member]++
			}
		})
		for i := range answering {
			if answering[i].Answers != answering[i].Heard.IsZero() {
				t.Errorf("it is said of %+v when it was heard", answering[i])
			}
			answering[i].Heard = time.Time{}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || !slices.Equal(answering, members) {
			t.Errorf("got %v of %+v, want %v of %+v", got, answering, want, members)
		}
	}
	gather(map[string]int{"a": 3, "b": 2*chunk + 1},
		Member{Name: "a", Self: true, Answers: true}, Member{Name: "b", Answers: true}, Member{Name: "c", Answers: true})
	conn.Close() // as in a crash: nobody hears a word of it
	live(t, 2, a, b)
	gather(map[string]int{"a": 3, "b": 2*chunk + 1},
		Member{Name: "a", Self: true, Answers: true}, Member{Name: "b", Answers: true}, Member{Name: "c"})
	began := time.Now()
	leave()
	live(t, 1, a)
	if waited := time.Since(began); waited > a.o.Timing.FailAfter {
		t.Errorf("that one has left was noticed after %s", waited)
	}
}

// TestLeaseOverNATS: a lease that is released is acquired by another replica,
// and it is the bucket that says whose it is.
func TestLeaseOverNATS(t *testing.T) {
	t.Parallel()
	connect := newServer(t)
	var leases []*Lease
	var stops []func()
	for _, name := range []string{"a", "b", "c"} {
		g, _ := join(t, connect(), name, 0)
		l := g.Lease("test")
		l.timing = Timing{RetryPeriod: 20 * time.Millisecond, RenewDeadline: 10 * time.Second, LeaseDuration: 20 * time.Second}
		leases, stops = append(leases, l), append(stops, l.run(t))
	}
	for left := leases; len(left) > 0; {
		lab.Eventually(t, "it is held", func() bool { return len(holders(left...)) == 1 })
		i := slices.IndexFunc(left, (*Lease).Held)
		holder, _, err := left[i].bucket.Get(t.Context(), "lease.test")
		if err != nil || string(holder) != left[i].name {
			t.Errorf("it is held by %s, and the bucket says %s, %v", left[i].name, holder, err)
		}
		began := time.Now()
		stops[i]()
		if waited := time.Since(began); left[i].Held() || waited > left[i].timing.LeaseDuration {
			t.Errorf("after it ended %s holds it: %t", left[i].name, left[i].Held())
		}
		left, stops = slices.Delete(left, i, i+1), slices.Delete(stops, i, i+1)
	}
}

// TestBroadcast: each replica gets each message, its own too, until it stops.
func TestBroadcast(t *testing.T) {
	t.Parallel()
	connect := newServer(t)
	got := make(chan string, 8)
	var stops []func()
	var groups []*Group
	for _, name := range []string{"a", "b"} {
		g, _ := join(t, connect(), name, 0)
		stop, err := g.Broadcast("news").Subscribe(func(data []byte) { got <- name + " got " + string(data) })
		if err != nil {
			t.Fatal(err)
		}
		if err := g.o.Conn.Flush(); err != nil { // now the server knows of it
			t.Fatal(err)
		}
		groups, stops = append(groups, g), append(stops, stop)
	}
	groups[0].Broadcast("other").Publish([]byte("something else"))
	groups[0].Broadcast("news").Publish([]byte("one"))
	all := []string{<-got, <-got}
	slices.Sort(all)
	if want := "a got one, b got one"; strings.Join(all, ", ") != want {
		t.Errorf("%q, want %s", all, want)
	}
	stops[0]()
	groups[1].Broadcast("news").Publish([]byte("two"))
	if s := <-got; s != "b got two" {
		t.Error(s)
	}
}

// TestNotes: a replica reads what others have written, under any key, and the
// latest of it.
func TestNotes(t *testing.T) {
	t.Parallel()
	connect := newServer(t)
	a, _ := join(t, connect(), "a", 0)
	b, _ := join(t, connect(), "b", 0)
	want := make(map[string][]byte)
	for i, key := range []string{"a", "A", "a.b/c d", "*", ">", "包", "=2e", "-_"} {
		for _, value := range []string{"first", fmt.Sprint("last ", i)} {
			if err := a.Notes("told").Write(t.Context(), key, []byte(value)); err != nil {
				t.Fatal(err)
			}
			want[key] = []byte(value)
		}
	}
	if err := a.Notes("other").Write(t.Context(), "a", []byte("another")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := b.Notes("told").Read(t.Context())
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("read %s, want %s: %v", got, want, err)
		}
	}
	if got, err := b.Notes("none").Read(t.Context()); err != nil || len(got) > 0 {
		t.Errorf("of none: %s, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Notes("told").Read(ctx); err == nil {
		t.Error("no error")
	}
}

// TestBucket: its leader answers reads, also in one that was made before, and a
// compare-and-swap that is lost is a conflict.
func TestBucket(t *testing.T) {
	t.Parallel()
	conn := newServer(t)()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "bucket", MaxBytes: 1 << 20, Storage: jetstream.FileStorage})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(t.Context(), "a", "before"); err != nil {
		t.Fatal(err)
	}
	before, err := js.Stream(t.Context(), "KV_bucket")
	if err != nil {
		t.Fatal(err)
	}
	b := openBucket(t, conn)
	after, err := js.Stream(t.Context(), "KV_bucket")
	if err != nil {
		t.Fatal(err)
	}
	if !before.CachedInfo().Config.AllowDirect || after.CachedInfo().Config.AllowDirect {
		t.Error("followers answer reads")
	}
	value, revision, err := b.Get(t.Context(), "a")
	if err != nil || string(value) != "before" {
		t.Fatalf("got %q, %v", value, err)
	}
	if revision, err = b.CompareAndSwap(t.Context(), "a", []byte("after"), revision); err != nil {
		t.Fatal(err)
	}
	for _, r := range []uint64{revision - 1, revision + 1, 0} {
		if _, err := b.CompareAndSwap(t.Context(), "a", nil, r); !IsConflict(err) {
			t.Errorf("at revision %d: %v", r, err)
		}
	}
	if _, revision, err := b.Get(t.Context(), "none"); revision != 0 || err != nil {
		t.Errorf("a key that does not exist: %d, %v", revision, err)
	}
	// A bucket that is created by us does not differ otherwise from theirs.
	if _, err := OpenBucket(t.Context(), js, "ours", 1<<20, 1); err != nil {
		t.Fatal(err)
	}
	made, err := js.Stream(t.Context(), "KV_ours")
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := made.CachedInfo().Config, after.CachedInfo().Config
	ours.Name, ours.Subjects = theirs.Name, theirs.Subjects
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Errorf("a bucket of ours (+) differs from the library's (-): %s", diff)
	}
}

// TestAlone: without other replicas everything is this one's.
func TestAlone(t *testing.T) {
	t.Parallel()
	conn := newServer(t)()
	g, err := Join(Options{Name: "a", Conn: conn, Bucket: openBucket(t, conn), Prefix: "test", Logger: slog.New(slog.DiscardHandler), Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	l := g.Lease("test")
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { g.Run(ctx) })
	running.Go(func() { l.Run(ctx) })
	if !l.Held() || g.Live() != 1 {
		t.Errorf("held: %t, live: %d", l.Held(), g.Live())
	}
	stop, err := g.Broadcast("news").Subscribe(func([]byte) { t.Error("something was broadcast") })
	if err != nil {
		t.Fatal(err)
	}
	g.Broadcast("news").Publish([]byte("one"))
	if members := g.Gather(ctx, func(string, []json.RawMessage) {}); !slices.Equal(members, []Member{{Name: "a", Self: true, Answers: true}}) {
		t.Errorf("members are %v", members)
	}
	stop()
	cancel()
	running.Wait()
}

func TestOptionsRequired(t *testing.T) {
	t.Parallel()
	if _, err := Join(Options{Name: "a"}); err == nil {
		t.Error("no error")
	}
}

// TestToken: any name is one token, no two share one, and it leads back.
func TestToken(t *testing.T) {
	t.Parallel()
	seen := make(map[string]string)
	for _, name := range []string{"a", "A", "a.b", "a/b", "a b", "a*", ">", "a=b", "a=2eb", "=", "包", "\x00\xff", "-_"} {
		token := Token(name)
		if back, ok := ParseToken(token); !ok || back != name || seen[token] != "" || strings.ContainsAny(token, ". *>\t") {
			t.Errorf("%q is written %q, which is %q", name, token, back)
		}
		seen[token] = name
	}
	for _, token := range []string{"=", "a=2", "=zz"} {
		if name, ok := ParseToken(token); ok {
			t.Errorf("%q stands for %q", token, name)
		}
	}
}
