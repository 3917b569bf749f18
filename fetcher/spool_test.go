package fetcher_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

func openSpool(t *testing.T, dir string) *fetcher.Spool {
	t.Helper()
	s, err := fetcher.OpenSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func lock(t *testing.T, s *fetcher.Spool, slot evidence.Slot) *fetcher.Entry {
	t.Helper()
	e, err := s.Lock(t.Context(), slot)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// fill imports a body into the entry and marks it as complete.
func fill(t *testing.T, e *fetcher.Entry, slot evidence.Slot, body []byte) fetcher.Report {
	t.Helper()
	r := fetcher.Report{Ticket: fetcher.Ticket{Slot: slot}, Size: int64(len(body)), SHA256: sha(body)}
	if err := errors.Join(e.SaveTicket(r.Ticket), e.Import(bytes.NewReader(body), r.Size, r.SHA256), e.SaveReport(r)); err != nil {
		t.Fatal(err)
	}
	return r
}

// An entry is locked by one worker of one process. Others wait as long as their
// context.
func TestLockExcludes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := lock(t, openSpool(t, dir), aSlot)
	other := openSpool(t, dir) // as in another process: flock applies to open files
	ctx, stop := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errors.New("enough"))
	defer stop()
	if _, err := other.Lock(ctx, aSlot); fault.Of(err) != fault.Busy || !strings.Contains(err.Error(), "enough") {
		t.Errorf("got %v, want it busy", err)
	}
	for _, slot := range []evidence.Slot{{Source: "test", Pack: aSlot.Pack, Due: due}, {Source: aSlot.Source, Pack: "ca-1/" + aSlot.Pack, Due: due}} {
		lock(t, other, slot).Close()
	}
	if err := e.SaveTicket(fetcher.Ticket{Slot: aSlot, Attempt: 3}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = lock(t, other, aSlot)
	defer e.Close()
	if ticket, ok := e.Ticket(); !ok || ticket.Attempt != 3 || ticket.Slot != aSlot {
		t.Errorf("the next worker finds %+v, %t", ticket, ok)
	}
}

// Workers that remove the entry still exclude each other.
func TestLockAndRemove(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var workers sync.WaitGroup
	var inside sync.Mutex
	for range 4 {
		s := openSpool(t, dir)
		workers.Go(func() {
			for range 10 {
				e, err := s.Lock(t.Context(), aSlot)
				if err != nil {
					t.Error(err)
					return
				}
				if !inside.TryLock() {
					t.Error("two workers hold the lock")
					return
				}
				err = e.SaveTicket(fetcher.Ticket{Slot: aSlot})
				inside.Unlock()
				if err := errors.Join(err, e.Remove()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// An entry without a ticket leaves no file.
func TestEmptyEntryIsRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := lock(t, openSpool(t, dir), aSlot).Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// An entry is not complete if its body is missing or truncated, or its state is
// damaged.
func TestDamagedEntry(t *testing.T) {
	t.Parallel()
	const body, record = "*.body", "*.json"
	for name, c := range map[string]struct {
		file   string
		damage func(path string) error
	}{
		"body gone":      {body, os.Remove},
		"body cut":       {body, func(path string) error { return os.Truncate(path, 10) }},
		"record emptied": {record, func(path string) error { return os.Truncate(path, 0) }},
		"record cut":     {record, func(path string) error { return os.Truncate(path, 10) }},
		"record gone":    {record, os.Remove},
		"record zeroed":  {record, func(path string) error { return os.WriteFile(path, make([]byte, 4096), 0o600) }},
	} {
		dir := t.TempDir()
		s := openSpool(t, dir)
		e := lock(t, s, aSlot)
		fill(t, e, aSlot, content(100))
		if r, ok := e.Report(); !ok || r.Size != 100 {
			t.Errorf("%s: before, the report is %+v, %t", name, r, ok)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		found, err := filepath.Glob(filepath.Join(dir, c.file))
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		if err := c.damage(found[0]); err != nil {
			t.Fatal(err)
		}
		for range s.Waiting() {
			t.Errorf("%s: it counts as complete", name)
		}
		e = lock(t, s, aSlot)
		if r, ok := e.Report(); ok {
			t.Errorf("%s: the report is %+v", name, r)
		}
		fill(t, e, aSlot, content(200)) // and another takes its place
		if r, ok := e.Report(); !ok || r.Size != 200 {
			t.Errorf("%s: afterwards, the report is %+v, %t", name, r, ok)
		}
		if err := e.Remove(); err != nil {
			t.Error(err)
		}
	}
}

// Slots with the longest possible names have distinct entries, which are found
// again. Names that fit are not shortened.
func TestLongNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openSpool(t, dir)
	long := func(end string) evidence.Slot {
		name := strings.Repeat("x", 128-len(end)) + end
		return evidence.Slot{Source: name, Pack: name + "/" + name, Due: due}
	}
	fits := evidence.Slot{Source: strings.Repeat("s", 105), Pack: strings.Repeat("p", 127), Due: due} // 255 with all of it
	slots := []evidence.Slot{long("1"), long("2"), fits, {Source: fits.Source, Pack: fits.Pack + "p", Due: due}}
	left := make(map[evidence.Slot]bool)
	for _, slot := range slots {
		e := lock(t, s, slot)
		if err := errors.Join(e.SaveTicket(fetcher.Ticket{Slot: slot}), e.Close()); err != nil {
			t.Fatal(err)
		}
		left[slot] = true
	}
	if _, err := os.Stat(filepath.Join(dir, fits.Source+"@"+fits.Pack+"@"+due.Format("20060102T150405Z")+".json")); err != nil {
		t.Errorf("a name that fits is another: %v", err)
	}
	for slot := range s.Unfinished() {
		if !left[slot] {
			t.Errorf("%s is found", slot)
		}
		delete(left, slot)
	}
	if len(left) > 0 {
		t.Errorf("%d slots are not found again", len(left))
	}
	for _, slot := range slots {
		e := lock(t, s, slot)
		if ticket, ok := e.Ticket(); !ok || ticket.Slot != slot {
			t.Errorf("the ticket of %.20s… is of %.20s…, %t", slot.Source, ticket.Slot.Source, ok)
		}
		fill(t, e, slot, content(100))
		if err := e.Remove(); err != nil {
			t.Error(err)
		}
	}
	// Without a ticket, the slot of such an entry is unknown.
	if err := os.WriteFile(filepath.Join(dir, "x~"+strings.Repeat("0", 32)+"@20260101T000000Z.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for slot := range s.Unfinished() {
		t.Errorf("%s is found", slot)
	}
}

// Import accepts exactly the report.
func TestImport(t *testing.T) {
	t.Parallel()
	whole := content(1000)
	for name, c := range map[string]struct {
		body io.Reader
		want fault.Reason
	}{
		"the report":       {bytes.NewReader(whole), ""},
		"a longer one":     {io.MultiReader(bytes.NewReader(whole), strings.NewReader("x")), fault.Damaged},
		"a shorter one":    {bytes.NewReader(whole[:999]), fault.Damaged},
		"another":          {bytes.NewReader(append(bytes.Clone(whole[:999]), 'x')), fault.Damaged},
		"without an end":   {new(endless), fault.Damaged},
		"broken off":       {io.MultiReader(bytes.NewReader(whole[:9]), iotest.ErrReader(fault.New(fault.SinkUnavailable, "gone"))), fault.SinkUnavailable},
		"byte by byte":     {iotest.OneByteReader(bytes.NewReader(whole)), ""},
		"an end with data": {iotest.DataErrReader(bytes.NewReader(whole)), ""},
	} {
		e := lock(t, openSpool(t, t.TempDir()), aSlot)
		defer e.Close()
		fill(t, e, aSlot, content(50)) // which it replaces
		if err := e.Import(c.body, 1000, sha(whole)); fault.Of(err) != c.want {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if _, ok := e.Report(); ok {
			t.Errorf("%s: the previous report is still there", name)
		}
	}
}

// What is saved is there for the next holder.
func TestEntryPersists(t *testing.T) {
	t.Parallel()
	s := openSpool(t, t.TempDir())
	e := lock(t, s, aSlot)
	if e.Draft() != "" {
		t.Error("there is a draft in an empty entry")
	}
	r := fill(t, e, aSlot, content(100))
	const draft = "{\"a\":1}\n"
	if err := errors.Join(e.SaveDraft(draft), e.Sync(), e.Close()); err != nil {
		t.Fatal(err)
	}
	e = lock(t, s, aSlot)
	got, ok := e.Report()
	if !ok || got.SHA256 != r.SHA256 || got.Slot != aSlot || e.Draft() != draft {
		t.Errorf("found %+v, %t, draft %q", got, ok, e.Draft())
	}
	if err := e.Remove(); err != nil {
		t.Error(err)
	}
}

// Errors of the file system are classified as those of storage, with a hint.
func TestDiskErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := fetcher.OpenSpool(filepath.Join(dir, "file", "spool"))
	wantDiskFault(t, "a file in its place", err)

	gone := openSpool(t, filepath.Join(dir, "spool"))
	h := newFixture(t, &source{lookup: always(linkTo("https://bucket.example.com/r.xls"))}, &store{answer: good}, fetcher.Settings{})
	e := lock(t, gone, aSlot)
	defer e.Close()
	if err := os.RemoveAll(filepath.Join(dir, "spool")); err != nil {
		t.Fatal(err)
	}
	_, err = h.Fetch(t.Context(), e, aSlot)
	wantDiskFault(t, "the ticket", err)
	_, err = e.Body()
	wantDiskFault(t, "the body", err)
	wantDiskFault(t, "a copy", e.Import(bytes.NewReader(content(100)), 100, sha(content(100))))
}

func wantDiskFault(t *testing.T, what string, err error) {
	t.Helper()
	if fault.Of(err) != fault.SinkUnavailable || !strings.Contains(fault.Hint(err), "state_dir") {
		t.Errorf("%s: got %v (%s), hint %q", what, err, fault.Of(err), fault.Hint(err))
	}
}

// The gauges count complete reports.
func TestSpoolMetrics(t *testing.T) {
	t.Parallel()
	s := openSpool(t, t.TempDir())
	reg := prometheus.NewRegistry()
	s.RegisterMetrics(reg)
	expect := func(reports, size string) {
		t.Helper()
		want := `
# HELP packseal_spool_bytes Size of the reports that are fetched but not yet in every sink, in bytes.
# TYPE packseal_spool_bytes gauge
packseal_spool_bytes ` + size + `
# HELP packseal_spool_reports Reports that are fetched but not yet in every sink.
# TYPE packseal_spool_reports gauge
packseal_spool_reports ` + reports + "\n"
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	}
	expect("0", "0")
	one, other := lock(t, s, aSlot), lock(t, s, evidence.Slot{Source: "prod", Pack: "cp-2", Due: due})
	fill(t, one, aSlot, content(100))
	fill(t, other, evidence.Slot{Source: "prod", Pack: "cp-2", Due: due}, content(1000))
	expect("2", "1100")
	if err := errors.Join(one.Remove(), other.Close()); err != nil {
		t.Fatal(err)
	}
	expect("1", "1000")
}

// TestSpoolOfBefore: entries that named the pack and the due time apart are
// gone on with, finished or not.
func TestSpoolOfBefore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const pack = `"pack":{"Source":"prod","ID":"cp-1","Aggregator":"","Name":"MLPS"},"due":"2026-05-01T02:00:00Z","attempt":1,"requested":"2026-05-01T02:00:01Z","attached":false`
	body := content(100)
	state := `{"ticket":{` + pack + `},"report":{` + pack + `,"created":"2026-05-01T02:00:03Z","fetched":"2026-05-01T02:00:04Z","name":"r.xls","container":"ole2","size":100,"sha256":"` + sha(body) + `","crc64":"1","md5":"x"},"draft":"{}"}` + "\n"
	base := filepath.Join(dir, "prod@cp-1@20260501T020000Z")
	if err := errors.Join(os.WriteFile(base+".json", []byte(state), 0o600), os.WriteFile(base+".body", body, 0o600)); err != nil {
		t.Fatal(err)
	}
	s := openSpool(t, dir)
	for r := range s.Waiting() {
		if r.Slot != aSlot {
			t.Errorf("%s waits", r.Slot)
		}
	}
	e := lock(t, s, aSlot)
	ticket, asked := e.Ticket()
	r, fetched := e.Report()
	if !asked || !fetched || ticket.Slot != aSlot || ticket.Attempt != 1 || r.Slot != aSlot || r.SHA256 != sha(body) || e.Draft() != "{}" {
		t.Errorf("ticket %+v, %t; report %+v, %t", ticket, asked, r, fetched)
	}
}
