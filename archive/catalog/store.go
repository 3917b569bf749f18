package catalog

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
)

// store is the catalog's tables. What changes them is called within a write of
// the database; what reads them, at any time.
type store struct {
	*database
	upsert, get, save *sql.Stmt // the writer's
}

// open opens the catalog's tables. When it fails, nothing is left open.
func (s *store) open(log *slog.Logger) error {
	err := s.database.open(log, []group{tables})
	if err == nil {
		if err = s.prepare(); err != nil {
			err = errors.Join(err, s.disconnect())
		}
	}
	return err
}

// renew replaces the file by an empty one, under the lock that the store has.
func (s *store) renew(log *slog.Logger) (*store, error) {
	next := &store{database: &database{file: s.file, lock: s.lock}}
	if err := errors.Join(s.disconnect(), next.remove()); err != nil {
		return nil, err
	}
	return next, next.open(log)
}

// prepare prepares the writer's statements.
func (s *store) prepare() (err error) {
	for text, stmt := range map[string]**sql.Stmt{
		`INSERT OR REPLACE INTO catalog_slots (pack, ` + columns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`:                                    &s.upsert,
		`SELECT pack, ` + columns + ` FROM catalog_slots WHERE pack = ? AND due = ?`:                                                                     &s.get,
		`UPDATE catalog_packs SET sealed = ?, gaps = ?, first = ?, newest = ?, last_sealed = ?, last_gap = ?, known_from = ?, complete = ? WHERE id = ?`: &s.save,
	} {
		if *stmt, err = s.prepared(text); err != nil {
			return err
		}
	}
	return nil
}

// identity returns which archive the tables were read from; empty = none.
func (s *store) identity(ctx context.Context) (id string, err error) {
	err = s.readers.QueryRowContext(ctx, `SELECT identity FROM catalog_archive`).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}

// clear empties the tables: what follows is of the archive of that identity.
func (s *store) clear(identity string) error {
	return s.write(func(ctx context.Context) error {
		_, err := s.conn.ExecContext(ctx, `DELETE FROM catalog_slots; DELETE FROM catalog_packs; DELETE FROM catalog_archive`)
		if err == nil {
			_, err = s.conn.ExecContext(ctx, `INSERT INTO catalog_archive VALUES (?)`, identity)
		}
		return err
	})
}

// addPack makes the row of a pack.
func (s *store) addPack(ctx context.Context, source, key string) (id int64, err error) {
	err = s.conn.QueryRowContext(ctx, `INSERT INTO catalog_packs (source, pack, sealed, gaps, complete) VALUES (?, ?, 0, 0, 0) RETURNING id`, source, key).Scan(&id)
	return id, err
}

// savePack keeps the state of a pack.
func (s *store) savePack(ctx context.Context, st *state) error {
	known := due(st.knownFrom)
	if st.knownFrom == unlisted {
		known = nil
	}
	_, err := s.save.ExecContext(ctx, st.sealed, st.gaps, due(st.first), due(st.newest), due(st.lastSealed.due), due(st.lastGap.due), known, st.complete(), st.id)
	return err
}

// due is a due time as a column has it.
func due(t int64) any {
	if t == never {
		return nil
	}
	return t
}

// packs calls f for each pack, with its state.
func (s *store) packs(ctx context.Context, f func(source, key string, st state)) error {
	rows, err := s.readers.QueryContext(ctx, `SELECT id, source, pack, sealed, gaps, first, newest, known_from, complete FROM catalog_packs`)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	byID := make(map[int64]*state)
	names := make(map[int64][2]string)
	for rows.Next() {
		st := newState(0)
		var source, key string
		var first, newest, known *int64
		var complete bool
		if err := rows.Scan(&st.id, &source, &key, &st.sealed, &st.gaps, &first, &newest, &known, &complete); err != nil {
			return err
		}
		none := int64(never)
		st.first, st.newest = *cmp.Or(first, &none), *cmp.Or(newest, &none)
		switch {
		case complete:
			st.knownFrom = never
		case known != nil:
			st.knownFrom = *known
		}
		byID[st.id], names[st.id] = &st, [2]string{source, key}
	}
	if err := errors.Join(rows.Err(), s.lasts(ctx, "last_sealed", byID), s.lasts(ctx, "last_gap", byID)); err != nil {
		return err
	}
	for id, st := range byID {
		f(names[id][0], names[id][1], *st)
	}
	return nil
}

// lasts reads the slots that a column of catalog_packs names.
func (s *store) lasts(ctx context.Context, column string, packs map[int64]*state) error {
	rows, err := s.readers.QueryContext(ctx, `SELECT s.pack, s.`+strings.ReplaceAll(columns, ", ", ", s.")+` FROM catalog_packs p JOIN catalog_slots s ON s.pack = p.id AND s.due = p.`+column)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		var w slot
		if err := w.scan(rows, &w.pack); err != nil {
			return err
		}
		if st := packs[w.pack]; st != nil {
			st.latest(w.row)
		}
	}
	return rows.Err()
}

// insert records a slot that is not known.
func (s *store) insert(ctx context.Context, st *state, w row) error {
	_, err := s.upsert.ExecContext(ctx, w.values(st.id)...)
	st.add(w)
	return err
}

// put records a slot, and reports whether it counts: it was not known, or a
// gap is sealed by now. Otherwise it is at most completed. A sealed slot does
// not become a gap again: its evidence counts.
func (s *store) put(ctx context.Context, st *state, w row) (counts bool, err error) {
	old, ok, err := scanOne(s.get.QueryRowContext(ctx, st.id, w.due))
	switch {
	case err != nil:
		return false, err
	case ok && old.state == sealed && w.state == gapped:
		return false, nil
	case ok && old.state == w.state && (!old.thin || w.thin && w.reason == old.reason):
		return false, nil
	}
	w.lost = old.lost && w.state != sealed
	if _, err := s.upsert.ExecContext(ctx, w.values(st.id)...); err != nil {
		return false, err
	}
	if ok && old.state == w.state {
		if st.lastSealed.due == w.due || st.lastGap.due == w.due {
			st.latest(w)
		}
		return false, nil
	}
	st.add(w)
	if old.state == gapped {
		st.gaps--
		if st.lastGap.due == w.due {
			err = s.seek(ctx, st)
		}
	}
	return true, err
}

// lose records that the sinks do not hold any more what they held of a slot:
// that it is a gap instead, or gone. It reports whether that is news.
func (s *store) lose(ctx context.Context, st *state, at, to int64) (news bool, err error) {
	old, ok, err := scanOne(s.get.QueryRowContext(ctx, st.id, at))
	if err != nil || !ok || old.state == gone || old.state == to || to == sealed {
		return false, err
	}
	w := row{due: at, state: to, lost: old.lost || old.state == sealed, thin: true}
	if _, err := s.upsert.ExecContext(ctx, w.values(st.id)...); err != nil {
		return false, err
	}
	if old.state == sealed {
		st.sealed--
	} else {
		st.gaps--
	}
	if to == gapped {
		st.gaps++
	}
	return true, s.seek(ctx, st)
}

// seek finds the first and the last slots of a pack anew.
func (s *store) seek(ctx context.Context, st *state) error {
	find := func(where, order string) (row, error) {
		w, ok, err := scanOne(s.conn.QueryRowContext(ctx, `SELECT pack, `+columns+` FROM catalog_slots WHERE pack = ? AND `+where+` ORDER BY due `+order+` LIMIT 1`, st.id))
		if !ok {
			w = row{due: never}
		}
		return w, err
	}
	first, err := find("state > 0", "ASC")
	newest, err1 := find("state > 0", "DESC")
	lastSealed, err2 := find("state = 1", "DESC")
	lastGap, err3 := find("state = 2", "DESC")
	st.first, st.newest, st.lastSealed, st.lastGap = first.due, newest.due, lastSealed, lastGap
	return errors.Join(err, err1, err2, err3)
}

// between returns what is known of a pack's slots due in [from, to], by their
// due times. It is for whoever writes.
func (s *store) between(ctx context.Context, pack, from, to int64) (map[int64]int64, error) {
	rows, err := s.conn.QueryContext(ctx, `SELECT due, state FROM catalog_slots WHERE pack = ? AND due BETWEEN ? AND ?`, pack, from, to)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	known := make(map[int64]int64)
	for rows.Next() {
		var due, state int64
		if err := rows.Scan(&due, &state); err != nil {
			return nil, err
		}
		known[due] = state
	}
	return known, rows.Err()
}

// scanOne scans a row that need not be there.
func scanOne(r *sql.Row) (w row, ok bool, err error) {
	var pack int64
	err = w.scan(r, &pack)
	if errors.Is(err, sql.ErrNoRows) {
		return w, false, nil
	}
	return w, err == nil, err
}

// find returns a slot of a pack.
func (s *store) find(ctx context.Context, pack, due int64) (w row, ok bool, err error) {
	stmt, err := s.reader(ctx, `SELECT pack, `+columns+` FROM catalog_slots WHERE pack = ? AND due = ?`)
	if err != nil {
		return w, false, err
	}
	return scanOne(stmt.QueryRowContext(ctx, pack, due))
}

// nth returns the due time of a pack's nth newest slot, if it has so many.
func (s *store) nth(ctx context.Context, pack int64, n int) (due int64, ok bool, err error) {
	stmt, err := s.reader(ctx, `SELECT due FROM catalog_slots WHERE pack = ? AND state > 0 ORDER BY due DESC LIMIT 1 OFFSET ?`)
	if err != nil {
		return 0, false, err
	}
	err = stmt.QueryRowContext(ctx, pack, n-1).Scan(&due)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return due, err == nil, err
}

// span is which slots a query is for, and where it has got to.
type span struct {
	pack     int64  // 0 = of all packs
	from, to int64  // due in [from, to)
	where    string // of the state
	oldest   bool   // first
	at       *slot  // the last that was seen; nil = none
}

// slot is a row of a pack.
type slot struct {
	pack int64
	row
}

// page returns the next rows of a span, n at most. It holds nothing open.
func (s *store) page(ctx context.Context, q *span, n int) (page []slot, err error) {
	order, after := "DESC", "<"
	at := slot{pack: math.MinInt64, row: row{due: q.to}}
	if q.oldest {
		order, after = "ASC", ">"
		at = slot{pack: math.MaxInt64, row: row{due: max(q.from, never+1) - 1}}
	}
	if q.at != nil {
		at = *q.at
	}
	text := `SELECT pack, ` + columns + ` FROM catalog_slots WHERE (due, pack) ` + after + ` (?, ?) AND due >= ? AND due < ? AND ` + q.where + ` ORDER BY due ` + order + `, pack ` + order + ` LIMIT ?`
	args := []any{at.due, at.pack, q.from, q.to, n}
	if q.pack != 0 {
		text = `SELECT pack, ` + columns + ` FROM catalog_slots WHERE pack = ? AND due ` + after + ` ? AND due >= ? AND due < ? AND ` + q.where + ` ORDER BY due ` + order + ` LIMIT ?`
		args = []any{q.pack, at.due, q.from, q.to, n}
	}
	stmt, err := s.reader(ctx, text)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		var w slot
		if err := w.scan(rows, &w.pack); err != nil {
			return nil, err
		}
		page = append(page, w)
	}
	if len(page) > 0 {
		q.at = &page[len(page)-1]
	}
	return page, rows.Err()
}

// recount holds what packs say of their slots against the slots.
func (s *store) recount(ctx context.Context) error {
	var id int64
	err := s.readers.QueryRowContext(ctx, `SELECT id FROM catalog_packs WHERE (sealed, gaps) !=
		(SELECT count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 2) FROM catalog_slots WHERE pack = id) LIMIT 1`).Scan(&id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err == nil:
		err = errDamaged{fmt.Errorf("pack %d counts other slots than it has", id)}
	}
	return err
}
