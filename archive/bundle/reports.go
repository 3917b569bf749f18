package bundle

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"packseal.example/archive/audit"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
)

// sealed is a sealed slot of the period.
type sealed struct {
	evidence.Record
	kept bool   // its report is in the bundle
	ext  string // then, of the report's name
}

// readAhead is the size of the largest report that is read while others are written, in
// bytes.
const readAhead = 1 << 20

// report is one on its way into the bundle.
type report struct {
	*sealed
	manifest evidence.Manifest
	body     []byte // nil = it is too long to be read ahead
	err      error  // why there is none
}

// putReports writes the reports that the bundle is to have. One that can't be had as its
// manifest says is named.
func (m *making) putReports(ctx context.Context, st audit.Statement) error {
	entries := make(map[string]tree.Entry)
	for _, e := range m.part {
		switch e.Kind() {
		case tree.Manifest, tree.Found:
			entries[e.Object()] = e
		}
	}
	byKey := make(map[string]*sealed)
	var keys []string
	for i := range m.sealed {
		if s := &m.sealed[i]; !s.Pruned {
			keys = append(keys, s.Object)
			byKey[s.Object] = s
		}
	}
	keys = m.Options.Reports.Choose(st.Checkpoint, keys)
	m.told.OfReports = len(keys)
	for r, err := range inOrder(ctx, keys, func(ctx context.Context, key string) (report, error) {
		return m.readReport(ctx, byKey[key], entries[byKey[key].ManifestKey()])
	}) {
		if err == nil {
			err = m.putReport(ctx, r)
		}
		if err != nil {
			return err
		}
		m.tell()
	}
	return nil
}

// readReport reads a report that is not too long.
func (m *making) readReport(ctx context.Context, s *sealed, e tree.Entry) (report, error) {
	r := report{sealed: s}
	o, err := m.object(ctx, e)
	if err != nil {
		return r, err
	}
	if r.manifest, r.err = evidence.DecodeManifest(o.bytes, s.Slot); r.err != nil || s.Size > readAhead {
		return r, nil
	}
	var b bytes.Buffer
	r.err = m.Report(ctx, r.manifest, &b)
	r.body = b.Bytes()
	return r, ctx.Err()
}

// putReport writes a report.
func (m *making) putReport(ctx context.Context, r report) error {
	w := &lazy{create: func() (io.Writer, error) { return m.create(audit.ReportName(r.Object)) }}
	switch {
	case r.err != nil:
	case r.body == nil:
		r.err = m.Report(ctx, r.manifest, w)
	default:
		_, r.err = w.Write(r.body)
	}
	switch {
	case w.err != nil:
		return w.err
	case r.err != nil && (w.w != nil || ctx.Err() != nil):
		return fmt.Errorf("writing the report of %s: %w", r.Slot, r.err)
	case r.err != nil:
		m.note(audit.Unarchived, r.Object, "no sink has the report as its manifest says: %v", "没有任何存储中的报告与其清单相符：%v", r.err)
	default:
		r.kept, r.ext = true, r.manifest.Ext()
		m.told.Reports++
		m.bytes += r.Size
	}
	return nil
}

// lazy creates what it writes to with the first byte.
type lazy struct {
	create func() (io.Writer, error)
	w      io.Writer
	err    error
}

func (l *lazy) Write(p []byte) (n int, err error) {
	if l.w == nil {
		if l.w, l.err = l.create(); l.err != nil {
			return 0, l.err
		}
	}
	n, l.err = l.w.Write(p)
	return n, l.err
}
