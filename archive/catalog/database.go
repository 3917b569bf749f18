package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"packseal.example/internal/fault"
	"packseal.example/internal/flock"
)

// group is a set of tables that have one version. The names of all that belongs
// to it begin with its own and an underscore, so that one group is made anew
// without the others of the file.
type group struct {
	name    string
	version int
	schema  string // what creates it, without IF NOT EXISTS
}

// database is a SQLite file of derived data: what is damaged is thrown away.
// One connection writes; readers see the last commit and never wait for it.
//
// A commit survives the end of the process, also by kill -9. It can be lost with
// the power (synchronous = NORMAL): then the file is as of an earlier commit.
type database struct {
	file    string
	lock    *flock.File
	writer  *sql.DB
	conn    *sql.Conn // the writer's only connection
	readers *sql.DB

	mu    sync.Mutex // held by whoever writes
	stmts statements
}

// statements are prepared ones. They must be closed before their connections,
// which else stay open.
type statements struct {
	mu     sync.Mutex
	writer []*sql.Stmt
	reader map[string]*sql.Stmt // by their text
	closed bool
}

// readers is how many queries can run at once.
const readers = 3

// newDatabase returns the database in a file, not open yet, whose lock this
// process has. A file that another process has open is fault.Busy.
func newDatabase(file string) (*database, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err)
	}
	lock, err := lockFile(file + ".lock")
	return &database{file: file, lock: lock}, err
}

// lockFile takes a lock that ends with the process.
func lockFile(name string) (*flock.File, error) {
	f, err := flock.TryLock(name)
	if errors.Is(err, flock.ErrLocked) {
		return nil, fault.New(fault.Busy, "%s is locked by another process", name).
			WithHint("two daemons cannot share a state_dir: stop the other one, or give each its own")
	}
	return f, fault.Wrap(fault.Unavailable, err)
}

// dsn is the file's name for the driver.
func (d *database) dsn(mode string, pragmas ...string) string {
	q := url.Values{"mode": {mode}, "_pragma": append([]string{"busy_timeout(5000)", "trusted_schema(0)", "temp_store(memory)"}, pragmas...)}
	return (&url.URL{Scheme: "file", Path: d.file, RawQuery: q.Encode(), OmitHost: true}).String()
}

// open opens the connections and brings the groups to their versions. When it
// fails, nothing is left open.
func (d *database) open(log *slog.Logger, groups []group) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, d.disconnect())
		}
	}()
	f, err := os.OpenFile(d.file, os.O_CREATE|os.O_RDWR, 0o640) // SQLite's other files take its mode
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return err
	}
	if d.writer, err = sql.Open("sqlite", d.dsn("rw", "journal_mode(wal)", "synchronous(normal)")); err != nil {
		return err
	}
	d.writer.SetMaxOpenConns(1)
	if d.conn, err = d.writer.Conn(context.Background()); err != nil {
		return err
	}
	err = d.write(func(ctx context.Context) error {
		if _, err := d.conn.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_versions (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID`); err != nil {
			return err
		}
		for _, g := range groups {
			if err := d.migrate(ctx, log, g); err != nil {
				return fmt.Errorf("tables of %s: %w", g.name, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if d.readers, err = sql.Open("sqlite", d.dsn("ro", "query_only(1)")); err != nil {
		return err
	}
	d.readers.SetMaxOpenConns(readers)
	d.readers.SetMaxIdleConns(readers)
	return nil
}

// migrate makes the group anew unless it has its version.
func (d *database) migrate(ctx context.Context, log *slog.Logger, g group) error {
	var version int
	err := d.conn.QueryRowContext(ctx, `SELECT version FROM schema_versions WHERE name = ?`, g.name).Scan(&version)
	switch {
	case err == nil && version == g.version:
		return nil
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return err
	case err == nil:
		log.Warn("tables replaced", "file", d.file, "group", g.name, "version", version, "want", g.version)
	}
	if err := d.drop(ctx, g.name); err != nil {
		return err
	}
	if _, err := d.conn.ExecContext(ctx, g.schema); err != nil {
		return err
	}
	_, err = d.conn.ExecContext(ctx, `INSERT OR REPLACE INTO schema_versions VALUES (?, ?)`, g.name, g.version)
	return err
}

// drop removes whatever belongs to a group, whichever version made it.
func (d *database) drop(ctx context.Context, name string) error {
	rows, err := d.conn.QueryContext(ctx, `SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view') AND substr(name, 1, ?) = ?`, len(name)+1, name+"_")
	if err != nil {
		return err
	}
	var drops []string
	for rows.Next() {
		var kind, name string
		if err := rows.Scan(&kind, &name); err != nil {
			return errors.Join(err, rows.Close())
		}
		drops = append(drops, fmt.Sprintf("DROP %s %q", kind, name))
	}
	err = rows.Err()
	for _, statement := range drops {
		if err == nil {
			_, err = d.conn.ExecContext(ctx, statement)
		}
	}
	return err
}

// write calls f within a transaction, which ends with it: committed when f
// returns nil. Nobody else writes meanwhile.
func (d *database) write(f func(context.Context) error) (err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ctx := context.Background() // a transaction is short, and half of one is of no use
	if _, err := d.conn.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			d.conn.ExecContext(ctx, `ROLLBACK`) //nolint:errcheck // the first error counts; the connection may be gone
		}
	}()
	if err := f(ctx); err != nil {
		return err
	}
	_, err = d.conn.ExecContext(ctx, `COMMIT`)
	return err
}

// prepared prepares a statement of the writer's.
func (d *database) prepared(text string) (*sql.Stmt, error) {
	stmt, err := d.conn.PrepareContext(context.Background(), text)
	if err != nil {
		return nil, fmt.Errorf("preparing a statement: %w", err)
	}
	d.stmts.mu.Lock()
	defer d.stmts.mu.Unlock()
	d.stmts.writer = append(d.stmts.writer, stmt)
	return stmt, nil
}

// reader returns the readers' statement for a query. There are few of them.
func (d *database) reader(ctx context.Context, text string) (*sql.Stmt, error) {
	d.stmts.mu.Lock()
	defer d.stmts.mu.Unlock()
	if d.stmts.closed {
		return nil, sql.ErrConnDone
	}
	if stmt := d.stmts.reader[text]; stmt != nil {
		return stmt, nil
	}
	stmt, err := d.readers.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if d.stmts.reader == nil {
		d.stmts.reader = make(map[string]*sql.Stmt)
	}
	d.stmts.reader[text] = stmt
	return stmt, nil
}

// close closes all of them.
func (s *statements) close() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stmt := range s.reader {
		err = errors.Join(err, stmt.Close())
	}
	for _, stmt := range s.writer {
		err = errors.Join(err, stmt.Close())
	}
	s.reader, s.writer, s.closed = nil, nil, true
	return err
}

// check reads the whole file and returns what is wrong with its structure.
func (d *database) check(ctx context.Context) error {
	var result string
	if err := d.readers.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&result); err != nil {
		return err
	}
	if result != "ok" {
		return errDamaged{errors.New(result)}
	}
	return nil
}

// disconnect closes the connections, also those that are closed.
func (d *database) disconnect() error {
	err := d.stmts.close()
	if d.readers != nil {
		err = errors.Join(err, d.readers.Close())
	}
	if d.conn != nil {
		if e := d.conn.Close(); !errors.Is(e, sql.ErrConnDone) {
			err = errors.Join(err, e)
		}
	}
	if d.writer != nil {
		err = errors.Join(err, d.writer.Close())
	}
	return err
}

// remove removes the files of a database that nobody has open.
func (d *database) remove() error {
	var errs []error
	for _, suffix := range []string{"-wal", "-shm", ""} {
		if err := os.Remove(d.file + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// close closes the database and gives up the lock.
func (d *database) close() error { return errors.Join(d.disconnect(), d.lock.Close()) }

// errDamaged marks contents that can't be what was written.
type errDamaged struct{ error }

// damaged reports whether the error means that the file is worth nothing.
func damaged(err error) bool {
	if _, ok := errors.AsType[errDamaged](err); ok {
		return true
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	if e.Code() == sqlite3.SQLITE_IOERR_SHORT_READ {
		return true // the file is cut
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH:
		return true // ERROR is a table that is not as it was made
	}
	return false
}
