package catalog

import (
	"bufio"
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"packseal.example/internal/fault"
)

// execSQL runs statements on a file that nobody has open.
func execSQL(t *testing.T, file string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// TestMadeAnew: whatever has happened to the file, what the catalog says after
// the next start is what the archive holds.
func TestMadeAnew(t *testing.T) {
	t.Parallel()
	overwrite := func(at, n int, random bool) func(*testing.T, string) {
		return func(t *testing.T, file string) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i := at; i < min(at+n, len(b)); i++ {
				b[i] = 0xa5
				if random {
					b[i] = byte(rand.Uint32())
				}
			}
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, harm := range map[string]func(*testing.T, string){
		"gone":           func(t *testing.T, file string) { os.Remove(file) },
		"empty":          func(t *testing.T, file string) { os.Truncate(file, 0) },
		"cut":            func(t *testing.T, file string) { os.Truncate(file, 9000) },
		"no database":    overwrite(0, 1<<30, false),
		"damaged header": overwrite(20, 60, false),
		"damaged schema": overwrite(100, 3000, true),
		"damaged pages":  overwrite(4096, 1<<30, true),
		"older": func(t *testing.T, file string) {
			execSQL(t, file, `UPDATE schema_versions SET version = 0`, `DROP VIEW catalog_records`, `ALTER TABLE catalog_slots DROP COLUMN reason`)
		},
		"newer": func(t *testing.T, file string) {
			execSQL(t, file, `UPDATE schema_versions SET version = 99`, `ALTER TABLE catalog_slots ADD COLUMN more TEXT`, `CREATE TABLE catalog_more (x)`)
		},
		"another archive's": func(t *testing.T, file string) {
			execSQL(t, file, `UPDATE catalog_archive SET identity = 'another'`, `UPDATE catalog_slots SET state = 1`)
		},
		"no table": func(t *testing.T, file string) { execSQL(t, file, `DROP TABLE catalog_packs`) },
		"other columns": func(t *testing.T, file string) {
			execSQL(t, file, `DROP VIEW catalog_records`, `ALTER TABLE catalog_slots RENAME COLUMN size TO length`)
		},
		"set back": func(t *testing.T, file string) {
			execSQL(t, file, `DELETE FROM catalog_slots WHERE due > 1667700000`, `UPDATE catalog_packs SET
				(sealed, gaps, newest, last_sealed, last_gap) = (SELECT count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 2), max(due),
				max(due) FILTER (WHERE state = 1), max(due) FILTER (WHERE state = 2) FROM catalog_slots WHERE pack = id)`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newArchive()
			a.history("cp-1", 300)
			b := inFolder(t, a, "cp-1")
			b.complete(t, "cp-1")
			b.agrees(t, a, "cp-1")
			b.close()
			if _, err := os.Stat(b.file + "-wal"); err == nil {
				t.Fatal("the database is still open")
			}
			harm(t, b.file)
			again := open(t, b.file, a, "cp-1")
			again.run()
			for range 3 { // what errs in a part that is read later is found then
				for _, err := range again.Records(t.Context(), Query{}) {
					if err != nil {
						break
					}
				}
				again.complete(t, "cp-1")
			}
			again.agrees(t, a, "cp-1")
		})
	}
}

// TestAlteredRow: a row that is not as it was written is noticed when it is read.
func TestAlteredRow(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"digest": `sha256 = randomblob(32)`, "state": `state = 2`, "size": `size = size + 1`, "time": `settled = settled + 1`, "known": `settled = NULL`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newArchive()
			a.history("cp-1", 40)
			b := inFolder(t, a, "cp-1")
			b.complete(t, "cp-1")
			b.collect(t, Query{}) // so that all records are read
			b.close()
			execSQL(t, b.file, `UPDATE catalog_slots SET `+change+` WHERE due = (SELECT due FROM catalog_slots WHERE state = 1 LIMIT 1 OFFSET 20)`)
			again := open(t, b.file, a, "cp-1")
			for r, err := range again.Records(t.Context(), Query{}) {
				if err == nil && r != a.records[r.Slot] {
					t.Errorf("believed %+v", r)
				}
			}
			if st := again.Status("prod", "cp-1"); st.Complete {
				t.Error("the altered database is still in use")
			}
			again.complete(t, "cp-1")
			again.agrees(t, a, "cp-1")
		})
	}
}

// TestFailsAtRuntime: when the database breaks while the daemon runs, slots go
// on to be observed, and the catalog comes back by itself.
func TestFailsAtRuntime(t *testing.T) {
	t.Parallel()
	a := newArchive()
	a.history("cp-1", 300)
	b := inFolder(t, a, "cp-1")
	b.complete(t, "cp-1")
	b.told()
	b.changing.Lock()
	if err := b.store.disconnect(); err != nil {
		t.Fatal(err)
	}
	b.changing.Unlock()
	for n := 300; n < 310; n++ {
		a.set(sealedRecord("cp-1", n))
		b.Observe(Event{Record: sealedRecord("cp-1", n), Local: true})
	}
	if n := len(b.told()); n != 10 {
		t.Errorf("%d slots were told of, want 10", n)
	}
	if st := b.Status("prod", "cp-1"); st.Complete || st.LastSealed != sealedRecord("cp-1", 309) {
		t.Errorf("status is %+v", st)
	}
	for _, err := range b.Records(t.Context(), Query{}) {
		if fault.Of(err) != fault.Unavailable {
			t.Errorf("a query says %v", err)
		}
	}
	if ok, err := b.Settled(t.Context(), slotOf("cp-1", 305)); !ok || err != nil {
		t.Errorf("settled: %t, %v", ok, err)
	}
	if ok, err := b.Settled(t.Context(), slotOf("cp-1", 400)); ok || err != nil {
		t.Errorf("not settled: %t, %v", ok, err)
	}
	b.complete(t, "cp-1")
	b.agrees(t, a, "cp-1")
}

// TestLocked: two daemons do not share a database.
func TestLocked(t *testing.T) {
	t.Parallel()
	b := inFolder(t, newArchive())
	_, err := Open(Options{File: b.file, Logger: slog.New(slog.DiscardHandler)})
	if fault.Of(err) != fault.Busy || fault.Hint(err) == "" {
		t.Errorf("got %v, want busy with a hint", err)
	}
	b.close()
	again := open(t, b.file, newArchive())
	again.close()
	if _, err := Open(Options{File: filepath.Join(b.file, "below", "a", "file"), Logger: slog.New(slog.DiscardHandler)}); fault.Of(err) != fault.Unavailable {
		t.Errorf("got %v, want unavailable", err)
	}
}

// TestNotMadeAtFirst: a file that can't be made keeps nobody from working; it is
// made when the disk is well.
func TestNotMadeAtFirst(t *testing.T) {
	t.Parallel()
	a := newArchive()
	a.history("cp-1", 20)
	file := filepath.Join(t.TempDir(), "packseal.db")
	obstacle := filepath.Join(file, "obstacle")
	if err := os.MkdirAll(obstacle, 0o700); err != nil {
		t.Fatal(err)
	}
	b := open(t, file, a, "cp-1")
	a.set(sealedRecord("cp-1", 20))
	b.Observe(Event{Record: sealedRecord("cp-1", 20), Local: true})
	if st := b.Status("prod", "cp-1"); st.Complete || st.LastSealed != sealedRecord("cp-1", 20) {
		t.Errorf("status is %+v", st)
	}
	if err := os.RemoveAll(file); err != nil {
		t.Fatal(err)
	}
	b.complete(t, "cp-1")
	b.agrees(t, a, "cp-1")
}

// TestKill kills a process that writes to the catalog, again and again; what is
// there afterwards is taken up, and agrees with the archive.
func TestKill(t *testing.T) {
	t.Parallel()
	if file := os.Getenv("CATALOG_TEST_KILL"); file != "" {
		writeUntilKilled(t, file)
		return
	}
	file := filepath.Join(t.TempDir(), "packseal.db")
	a := newArchive()
	a.history("cp-1", killedSlots)
	for i := range 8 {
		child := exec.Command(os.Args[0], "-test.run", "^TestKill$")
		child.Env = append(os.Environ(), "CATALOG_TEST_KILL="+file)
		out, err := child.StdoutPipe()
		if err == nil {
			err = child.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 20+i*37 && lines.Scan(); n++ {
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		child.Wait() //nolint:errcheck // it was killed
		b := open(t, file, a, "cp-1")
		s, _, err := b.current()
		if err == nil {
			err = s.check(t.Context())
		}
		if err == nil {
			err = s.recount(t.Context())
		}
		if err != nil {
			t.Errorf("after kill %d: %v", i, err)
		}
		if st := b.Status("prod", "cp-1"); i > 0 && st.Sealed == 0 {
			t.Errorf("after kill %d nothing is left of what was committed", i)
		}
		if i%3 == 2 {
			b.complete(t, "cp-1")
			b.agrees(t, a, "cp-1")
		}
		b.close()
	}
	b := open(t, file, a, "cp-1")
	b.complete(t, "cp-1")
	b.agrees(t, a, "cp-1")
}

// killedSlots is how many slots the archive of TestKill holds.
const killedSlots = 400

// writeUntilKilled observes slots forever.
func writeUntilKilled(t *testing.T, file string) {
	b := open(t, file, newArchive(), "cp-1")
	for {
		n := rand.IntN(killedSlots)
		r := sealedRecord("cp-1", n)
		if n%10 == 5 {
			r = gapRecord("cp-1", n)
		}
		b.Observe(Event{Record: r})
		b.Observe(Event{Record: r})
		b.Attempt(Attempt{Slot: r.Slot})
		fmt.Println(n)
	}
}
