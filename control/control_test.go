package control

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"packseal.example/archive/catalog"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler/queue"
	"packseal.example/scheduler/replica"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixed is a Daemon that answers with its fields, and keeps what it was asked.
type fixed struct {
	records  []evidence.Record
	failures map[int]error // beside or, at the end, after the record of that number
	query    catalog.Query
	listing  queue.Listing
	outcomes []Outcome
	err      error
	asked    Selection
	ordered  []Order
	settled  []evidence.Slot
	status   Status
	reloads  int
	packs    []SourcePacks
}

func (f *fixed) Status(context.Context) Status { return f.status }

func (f *fixed) Reload(context.Context) error {
	f.reloads++
	return f.err
}

func (f *fixed) List(_ context.Context, s Selection) (*queue.Listing, error) {
	f.asked = s
	return &f.listing, f.err
}

func (f *fixed) Pause(_ context.Context, o Order) ([]Outcome, error) {
	f.ordered = append(f.ordered, o)
	return f.outcomes, f.err
}

func (f *fixed) Settled(_ context.Context, s evidence.Slot) error {
	f.settled = append(f.settled, s)
	return f.err
}

func (f *fixed) Records(_ context.Context, q catalog.Query) iter.Seq2[evidence.Record, error] {
	f.query = q
	return func(yield func(evidence.Record, error) bool) {
		for i, r := range f.records {
			if !yield(r, f.failures[i]) {
				return
			}
		}
		if err := f.failures[len(f.records)]; err != nil {
			yield(evidence.Record{}, err)
		}
	}
}

func (f *fixed) Seen(ctx context.Context) iter.Seq2[catalog.Listed, error] {
	return func(yield func(catalog.Listed, error) bool) {
		for r, err := range f.Records(ctx, catalog.Query{}) {
			if !yield(catalog.Listed{Slot: r.Slot, State: r.State}, err) {
				return
			}
		}
	}
}

func (f *fixed) Resume(ctx context.Context, o Order) ([]Outcome, error) { return f.Pause(ctx, o) }

// serve serves the daemon in dir until stop is called or the test ends.
func serve(t *testing.T, dir string, d Daemon) (stop func()) {
	t.Helper()
	s, err := Listen(t.Context(), dir, d, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

func slots(n int, err error) iter.Seq2[queue.Listed, error] {
	return func(yield func(queue.Listed, error) bool) {
		for i := range n {
			s := queue.Listed{Slot: evidence.Slot{Source: "prod", Pack: "cp-1", Due: time.Unix(int64(i), 0).UTC()}, State: queue.Waiting}
			if !yield(s, nil) {
				return
			}
		}
		if err != nil {
			yield(queue.Listed{}, err)
		}
	}
}

// TestList: what the daemon says comes line by line, the total last.
func TestList(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pause := queue.Pause{Source: "prod", Since: time.Unix(99, 0).UTC(), By: "alice", Why: "because"}
	q := &fixed{listing: queue.Listing{
		Members: []replica.Member{{Name: "a", Self: true, Answers: true}, {Name: "b", Heard: time.Unix(7, 0).UTC()}},
		Pauses:  []queue.Pause{pause}, Counts: map[queue.State]int{queue.Waiting: 5, queue.Paused: 1}, Slots: slots(3, nil),
	}}
	serve(t, dir, q)
	var got []Line
	want := Selection{Source: "prod", Names: []string{"cp-1", "ca-1/cp&2"}, Limit: 3}
	for line, err := range NewClient(dir).List(t.Context(), want) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, line)
	}
	if diff := cmp.Diff(want, q.asked); diff != "" {
		t.Errorf("asked for, -sent +received:\n%s", diff)
	}
	lines := []Line{{Pause: &pause}, {Member: &q.listing.Members[0]}, {Member: &q.listing.Members[1]}}
	for s := range slots(3, nil) {
		lines = append(lines, Line{Slot: &s})
	}
	lines = append(lines, Line{Total: &Total{States: q.listing.Counts, Listed: 3, More: 3}})
	if diff := cmp.Diff(lines, got); diff != "" {
		t.Errorf("-said +heard:\n%s", diff)
	}
}

// TestErrorsCross: what the daemon says of an error reaches the verb, also in
// the middle of a listing; and one that breaks off does not look whole.
func TestErrorsCross(t *testing.T) {
	t.Parallel()
	said := fault.New(fault.NotFound, "no pack %q", "cp-x").WithHint("did you mean cp-1?")
	for name, c := range map[string]struct {
		queue *fixed
		want  fault.Reason
		lines int
	}{
		"at once": {&fixed{err: said}, fault.NotFound, 0},
		"later":   {&fixed{listing: queue.Listing{Slots: slots(2, said)}}, fault.NotFound, 2},
		"cut": {&fixed{listing: queue.Listing{Slots: func(func(queue.Listed, error) bool) { panic(http.ErrAbortHandler) }}},
			fault.Unavailable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			serve(t, dir, c.queue)
			lines, last := 0, error(nil)
			for _, err := range NewClient(dir).List(t.Context(), Selection{}) {
				if last = err; err == nil {
					lines++
				}
			}
			if fault.Of(last) != c.want || lines != c.lines {
				t.Errorf("%v after %d lines", last, lines)
			}
			if c.want == fault.NotFound && (last.Error() != said.Error() || fault.Hint(last) != said.Hint) {
				t.Errorf("heard %q, hint %q", last, fault.Hint(last))
			}
		})
	}
}

// TestRecords: a query and its records cross, also those that can't be read; a
// listing that is cut off does not look complete.
func TestRecords(t *testing.T) {
	t.Parallel()
	record := func(hour int, state evidence.State) evidence.Record {
		return evidence.Record{Slot: evidence.Slot{Source: "prod", Pack: "ca-1/cp&2", Due: time.Date(2026, 5, 1, hour, 0, 0, 0, time.UTC)}, State: state}
	}
	sealed, gap := record(2, evidence.Sealed), record(1, evidence.Gapped)
	gap.Reason, gap.Detail = fault.Missed, "存储"
	newer, down := fault.New(fault.Newer, "newer than this program").WithHint("update it"), fault.New(fault.SinkUnavailable, "down")
	type got struct {
		Record evidence.Record
		Reason fault.Reason
		Hint   string
	}
	for name, c := range map[string]struct {
		failures map[int]error
		want     []got
	}{
		"good":  {nil, []got{{sealed, "", ""}, {gap, "", ""}}},
		"newer": {map[int]error{0: newer}, []got{{sealed, fault.Newer, "update it"}, {gap, "", ""}}},
		"ends":  {map[int]error{2: down}, []got{{sealed, "", ""}, {gap, "", ""}, {evidence.Record{}, fault.SinkUnavailable, ""}}},
		"other": {map[int]error{2: errors.New("other")}, []got{{sealed, "", ""}, {gap, "", ""}, {evidence.Record{}, fault.Internal, ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			d := &fixed{records: []evidence.Record{sealed, gap}, failures: c.failures}
			serve(t, dir, d)
			q := catalog.Query{
				Source: "prod", Pack: "ca-1/cp&2", From: sealed.Due.Add(-1), To: sealed.Due, State: evidence.Gapped, Oldest: true, Limit: 7,
			}
			var all []got
			for r, err := range NewClient(dir).Records(t.Context(), q) {
				all = append(all, got{r, fault.Of(err), fault.Hint(err)})
			}
			if diff := cmp.Diff(c.want, all); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(q, d.query); diff != "" {
				t.Errorf("-sent +received:\n%s", diff)
			}
			n := 0
			for l, err := range NewClient(dir).Seen(t.Context()) {
				if want := c.want[n]; l.Slot != want.Record.Slot || l.State != want.Record.State || fault.Of(err) != want.Reason {
					t.Errorf("seen: %+v, %v", l, err)
				}
				n++
			}
			if n != len(c.want) {
				t.Errorf("%d slots were seen", n)
			}
		})
	}
}

// TestRecordsRefused: an error before the first record is the answer.
func TestRecordsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	serve(t, dir, &fixed{failures: map[int]error{0: fault.New(fault.NotReady, "reading")}})
	for _, err := range NewClient(dir).Records(t.Context(), catalog.Query{}) {
		if fault.Of(err) != fault.NotReady {
			t.Errorf("got %v", err)
		}
	}
	for _, err := range NewClient(t.TempDir()).Records(t.Context(), catalog.Query{}) {
		if !errors.Is(err, ErrNoDaemon) {
			t.Errorf("without a daemon: %v", err)
		}
	}
}

// TestOrder: an order and what comes of it cross.
func TestOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q := &fixed{outcomes: []Outcome{{Pause: queue.Pause{Source: "prod", Pack: "cp-1", Since: time.Unix(1, 0).UTC(), By: "b", Why: "w"}, Changed: true}}}
	serve(t, dir, q)
	order := Order{Names: []string{"cp-1"}, By: "alice@host", Why: "存储迁移"}
	for name, give := range map[string]func(context.Context, Order) ([]Outcome, error){"pause": NewClient(dir).Pause, "resume": NewClient(dir).Resume} {
		got, err := give(t.Context(), order)
		if diff := cmp.Diff(q.outcomes, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	if diff := cmp.Diff([]Order{order, order}, q.ordered); diff != "" {
		t.Error(diff)
	}
}

// TestSettled: a slot that was settled elsewhere crosses, and an error comes back.
func TestSettled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := new(fixed)
	serve(t, dir, d)
	slot := evidence.Slot{Source: "prod", Pack: "ca-1/cp&2", Due: time.Unix(1767225600, 0).UTC()}
	if err := NewClient(dir).Settled(t.Context(), slot); err != nil {
		t.Error(err)
	}
	d.err = fault.New(fault.Damaged, "no manifest")
	if err := NewClient(dir).Settled(t.Context(), slot); fault.Of(err) != fault.Damaged {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]evidence.Slot{slot, slot}, d.settled); diff != "" {
		t.Error(diff)
	}
}

// TestOrdersAreBounded: what is kept, logged and shown is short and plain.
func TestOrdersAreBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q := &fixed{}
	serve(t, dir, q)
	good := Order{Names: []string{"prod"}, By: "alice", Why: "because"}
	for name, change := range map[string]func(*Order){
		"no names":      func(o *Order) { o.Names = nil },
		"many names":    func(o *Order) { o.Names = make([]string, mostNames+1) },
		"nobody":        func(o *Order) { o.By = "" },
		"negative":      func(o *Order) { o.For = -time.Second },
		"for long":      func(o *Order) { o.For = longestPause + 1 },
		"long name":     func(o *Order) { o.By = strings.Repeat("a", longestBy+1) },
		"no reason":     func(o *Order) { o.Why = "" },
		"long reason":   func(o *Order) { o.Why = strings.Repeat("a", maxWhy+1) },
		"escape":        func(o *Order) { o.Why = "\x1b[31mred" },
		"second line":   func(o *Order) { o.By = "alice\nbob" },
		"a large order": func(o *Order) { o.Names = []string{strings.Repeat("a", maxOrder)} },
	} {
		o := good
		change(&o)
		if _, err := NewClient(dir).Pause(t.Context(), o); fault.Of(err) != fault.Request {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(q.ordered) > 0 {
		t.Errorf("ordered were %v", q.ordered)
	}
	for path, want := range map[string]int{
		"GET /v1/queue?limit=-1": 400, "GET /v1/queue?limit=many": 400, "GET /v1/queue/pause": 405, "POST /v1/queue": 405, "GET /": 404,
		"GET /v1/records?limit=x": 400, "GET /v1/records?from=now": 400, "POST /v1/records": 405,
	} {
		method, path, _ := strings.Cut(path, " ")
		r, err := http.NewRequestWithContext(t.Context(), method, "http://packseal"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := NewClient(dir).http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s %s: %s", method, path, resp.Status)
		}
	}
}

// TestSocketIsOurs: the socket is for its own user from the first moment, also
// where the path is longer than a socket's may be, takes the place of one that
// was left behind, and is gone in the end.
func TestSocketIsOurs(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{
		"short": filepath.Join(t.TempDir(), "state"),
		"long":  filepath.Join(t.TempDir(), strings.Repeat("state-", 30)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(dir, Name)
			l, err := listen(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			l.(*socket).Listener.Close() // as a process does that dies: the file stays
			l.(*socket).lock.Close()
			if fi, err := os.Lstat(path); err != nil || fi.Mode() != fs.ModeSocket|0o600 {
				t.Fatalf("left behind: %v %v", fi, err)
			}
			if _, err := NewClient(dir).Pause(t.Context(), Order{}); fault.Of(err) != fault.Unavailable || fault.Hint(err) == "" {
				t.Errorf("nobody is there: %v", err)
			}
			stop := serve(t, dir, &fixed{listing: queue.Listing{Slots: slots(0, nil)}})
			if fi, err := os.Lstat(path); err != nil || fi.Mode() != fs.ModeSocket|0o600 {
				t.Errorf("the socket: %v %v", fi, err)
			}
			if _, err := listen(t.Context(), dir); fault.Of(err) != fault.Busy {
				t.Errorf("a second daemon: %v", err)
			}
			for _, err := range NewClient(dir).List(t.Context(), Selection{}) {
				if err != nil {
					t.Error(err)
				}
			}
			stop()
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after the end: %v", err)
			}
			if _, err := NewClient(dir).Pause(t.Context(), Order{}); fault.Of(err) != fault.Unavailable {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

// TestSocketInTheWay: what is no socket is not removed.
func TestSocketInTheWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, Name)
	if err := os.WriteFile(path, []byte("somebody's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen(t.Context(), dir); fault.Of(err) != fault.Conflict || fault.Hint(err) == "" {
		t.Errorf("got %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "somebody's" {
		t.Errorf("%s, %v", b, err)
	}
}

// TestUnreached: who may not, hears so; other than from a daemon that is not there.
func TestUnreached(t *testing.T) {
	t.Parallel()
	c := NewClient("/nowhere")
	for err, want := range map[error]fault.Reason{
		error(syscall.EACCES):       fault.Denied,
		error(syscall.ECONNREFUSED): fault.Unavailable,
		error(syscall.ENOENT):       fault.Unavailable,
		context.Canceled:            fault.Canceled,
	} {
		if got := c.unreached(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", err)}); fault.Of(got) != want {
			t.Errorf("%v becomes %v", err, got)
		}
	}
}

// TestOtherVersion: an answer that is none of ours is said to be so.
func TestOtherVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler()}
	defer server.Close()
	go server.Serve(l) //nolint:errcheck // it ends with the test
	if _, err := NewClient(dir).Pause(t.Context(), Order{}); fault.Of(err) != fault.Internal || !strings.Contains(fault.Hint(err), "version") {
		t.Errorf("got %v", err)
	}
}

// TestLineHoldsOneThing: --json prints what people select by.
func TestLineHoldsOneThing(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(Line{Member: &replica.Member{Name: "a", Answers: true}})
	if want := `{"member":{"member":"a","answers":true}}`; err != nil || string(b) != want {
		t.Errorf("%s, want %s", b, want)
	}
}
