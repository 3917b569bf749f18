package catalog

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// The states of a slot in the database.
const (
	gone   = 0 // was in the archive once, and no sink holds it any more
	sealed = 1
	gapped = 2
)

// stateOf returns a state as the database has it.
func stateOf(s evidence.State) int64 {
	if s == evidence.Sealed {
		return sealed
	}
	return gapped
}

// never is a due time that no slot has: there is none.
const never = math.MinInt64

// row is a settled slot of a pack, as the database has it. A thin row is known
// from a listing alone: its record was not read yet.
type row struct {
	due     int64 // seconds
	state   int64
	lost    bool // its manifest was in the archive once, and is not any more
	thin    bool
	settled int64 // milliseconds
	created int64 // milliseconds
	size    int64
	late    int64 // seconds
	sha256  string
	object  string // ".xls" for report-<12 digits of its digest>.xls; any other name as it is
	reason  string
	detail  string // of a gap, or of a record that can't be read: the error; of an imported report: who imported it
}

// thinRow is all that a listing tells of a slot.
func thinRow(l Listed) row { return row{due: l.Due.Unix(), state: stateOf(l.State), thin: true} }

// newRow is a record as the database has it.
func newRow(r evidence.Record) row {
	w := row{
		due: r.Due.Unix(), state: stateOf(r.State), settled: r.Settled.UnixMilli(), created: r.Created.UnixMilli(), size: r.Size,
		late: r.LateSeconds, sha256: r.SHA256, object: r.Object[strings.LastIndexByte(r.Object, '/')+1:], reason: string(r.Reason), detail: r.Detail,
	}
	if w.state == sealed {
		w.detail = r.Imported
	}
	if ext, ok := strings.CutPrefix(w.object, reportName(w.sha256)); ok && strings.HasPrefix(ext, ".") {
		w.object = ext
	}
	return w
}

// reportName is how the name of a report begins that is named after its digest.
func reportName(sha256 string) string { return fmt.Sprintf("report-%.12s", sha256) }

// record returns the row as a record of a pack's slot. One of a thin row has no
// more than slot and state, and what went wrong when it was read.
func (w row) record(source, key string) evidence.Record {
	r := evidence.Record{Slot: evidence.Slot{Source: source, Pack: key, Due: time.Unix(w.due, 0).UTC()}, State: evidence.Sealed}
	if w.state != sealed {
		r.State, r.Reason, r.Detail = evidence.Gapped, fault.Reason(w.reason), w.detail
	}
	if w.thin {
		return r
	}
	r.Settled, r.Size, r.LateSeconds = time.UnixMilli(w.settled).UTC(), w.size, w.late
	r.Created = time.UnixMilli(w.created).UTC()
	r.SHA256 = w.sha256
	if w.state == sealed {
		r.Imported = w.detail
	}
	name := w.object
	if strings.HasPrefix(name, ".") {
		name = reportName(w.sha256) + name
	}
	if name != "" {
		r.Object = r.Dir() + name
	}
	return r
}

// fresh returns what the freshness of a pack is measured by, in milliseconds: when
// the slot was settled. An imported report is as old as its slot: it does not show
// that packseal fetches reports.
func (w row) fresh() int64 {
	if w.state == sealed && w.detail != "" {
		return w.due * 1000
	}
	return w.settled
}

// columns are those of catalog_slots after the pack, in the order of values and scan.
const columns = "due, state, lost, settled, created, size, late, sha256, object, reason, detail, sum"

// values are the row's columns. Of what is not there, nothing is stored.
func (w row) values(pack int64) []any {
	v := []any{pack, w.due, w.state, nil, nil, nil, nil, nil, nil, nil, nonzero(w.reason), nonzero(w.detail), int64(w.sum(pack))}
	if w.lost {
		v[3] = 1
	}
	if w.thin {
		return v
	}
	v[4] = w.settled
	if w.state == sealed {
		v[5], v[6], v[7], v[8], v[9] = w.created, w.size, w.late, nonzero(w.sha256), nonzero(w.object)
		if sum, err := hex.DecodeString(w.sha256); err == nil && len(sum) == sha256.Size && hex.EncodeToString(sum) == w.sha256 {
			v[8] = sum // half the size
		}
	}
	return v
}

// nonzero returns nil for an empty string.
func nonzero(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// scanner is a row of a query's result.
type scanner interface{ Scan(...any) error }

// scan reads the columns that were selected after the pack's ID.
func (w *row) scan(s scanner, before ...any) error {
	var lost, settled, created, size, late *int64
	var digest any
	var object, reason, detail *string
	var sum int64
	if err := s.Scan(append(before, &w.due, &w.state, &lost, &settled, &created, &size, &late, &digest, &object, &reason, &detail, &sum)...); err != nil {
		return err
	}
	zero := new(int64)
	w.lost, w.thin = lost != nil, settled == nil
	w.settled, w.size, w.late = *cmp.Or(settled, zero), *cmp.Or(size, zero), *cmp.Or(late, zero)
	if w.created = time.Time.UnixMilli(time.Time{}); created != nil {
		w.created = *created
	}
	switch digest := digest.(type) {
	case []byte:
		w.sha256 = hex.EncodeToString(digest)
	case string:
		w.sha256 = digest
	}
	none := new(string)
	w.object, w.reason, w.detail = *cmp.Or(object, none), *cmp.Or(reason, none), *cmp.Or(detail, none)
	pack := *before[0].(*int64)
	if uint32(sum) != w.sum(pack) || w.state < gone || w.state > gapped {
		return errDamaged{fmt.Errorf("slot %d of pack %d is not as it was written", w.due, pack)}
	}
	return nil
}

// sum is a checksum of the row: SQLite has none, and a disk can err.
func (w row) sum(pack int64) uint32 {
	if w.thin || w.state != sealed {
		w.created, w.size, w.late, w.sha256, w.object = 0, 0, 0, "", ""
	}
	if w.thin {
		w.settled = 0
	}
	var b []byte
	for _, n := range []int64{pack, w.due, w.state, flag(w.lost), flag(w.thin), w.settled, w.created, w.size, w.late} {
		b = binary.AppendVarint(b, n)
	}
	for _, text := range []string{w.sha256, w.object, w.reason, w.detail} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	return crc32.ChecksumIEEE(b)
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
