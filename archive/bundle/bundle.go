// Package bundle writes what is handed to auditors: bundles (the format is package
// audit's), statements, and proofs of single slots. All of it is made from a ledger as
// it lies in the sinks, and checked on the way: what is not as the ledger has it is left
// out, and named in the statement.
package bundle

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"packseal.example/archive/audit"
	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Ledger is a ledger up to its tip, as [ledger.Ledger] and [ledger.View] have it.
type Ledger interface {
	Entries(ctx context.Context) iter.Seq2[tree.Entry, error]
	Latest(ctx context.Context) (ledger.Latest, error)
}

// Source is what bundles, statements and proofs are made from. Required fields are
// marked.
type Source struct {
	Ledger Ledger          // required
	Sinks  []ledger.Target // required; the first has what others said of checkpoints
	Keys   []string        // required; the ledger's verifier keys
	Tool   string          // required; "packseal/<version>"

	// Stamp checks an authority's token over a checkpoint, and returns when it was
	// issued. nil = tokens are not looked at, and left out.
	Stamp func(authority string, token, checkpoint []byte) (time.Time, error)

	Witnesses []string // verifier keys
	Roots     []byte   // PEM, of the authorities

	// Report writes the report of a manifest, whole and checked, or nothing. Required
	// for bundles.
	Report func(context.Context, evidence.Manifest, io.Writer) error
}

// Options say what a bundle is of.
type Options struct {
	audit.Period
	Reports  audit.Reports
	Progress func(Progress) // is told now and then; nil = nobody
}

// Progress is how far a bundle has come.
type Progress struct {
	Records, OfRecords int
	Reports, OfReports int
}

// Made is what was made.
type Made struct {
	audit.Result                   // as an auditor will get it, but for what only a bundle can lack
	Raw          []byte            // the statement as it is stored
	Logged       bool              // the ledger has it already
	names        map[string]string // of packs, by <source>/<pack>
}

// Statement computes the statement of a period. The error is fault.NotFound if the
// ledger is empty.
func (s Source) Statement(ctx context.Context, p audit.Period) (Made, error) {
	return s.make(ctx, Options{Period: p}, files{})
}

// Write writes a bundle. It takes memory for entries and names, about 600 bytes for
// each slot, and none for what records and reports hold. Errors are as of Statement;
// after one, what was written is not a bundle.
func (s Source) Write(ctx context.Context, w io.Writer, o Options) (Made, error) {
	z := zip.NewWriter(w)
	m, err := s.make(ctx, o, files{zip: z})
	if err == nil {
		err = z.Close()
	}
	return m, err
}

// making is a bundle or a statement that is being made.
type making struct {
	Source
	Options
	*survey
	files
	part    []tree.Entry // that the bundle has
	sealed  []sealed     // within the period
	found   []audit.Finding
	cosigns map[string]bool // witnesses by name
	covers  func(evidence.Slot) bool
	names   map[string]string // of packs, by <source>/<pack>
	told    Progress
	bytes   int64 // of reports
}

// make makes a bundle, or without files a statement alone.
func (s Source) make(ctx context.Context, o Options, f files) (Made, error) {
	m := &making{Source: s, Options: o, files: f, cosigns: make(map[string]bool), covers: o.Covering()}
	var err error
	if m.survey, err = m.look(ctx); err != nil {
		return Made{}, err
	}
	if err := m.choose(ctx); err != nil {
		return Made{}, err
	}
	within := m.within()
	m.time = o.Until.UTC()
	for _, c := range within {
		if err := m.load(ctx, c); err != nil {
			return Made{}, err
		}
		for _, s := range c.stamps {
			m.time = s.Time // of the files: the last stamp
		}
	}
	st, err := audit.Compute(m.input(ctx, within))
	if err != nil {
		return Made{}, err
	}
	m.names = names(m.sealed)
	if f.zip != nil {
		st.Reports = &o.Reports
		err = m.attachments(ctx, within, st)
	}
	st.Findings = append(st.Findings, m.found...)
	made := Made{Result: audit.Result{
		Statement: &st, Findings: st.Findings, Entries: len(m.part), Checkpoints: len(within), Tokens: st.Stamps.Count, Records: m.told.Records, Reports: m.told.Reports, Bytes: m.bytes,
	}, names: m.names}
	if err == nil {
		made.Raw, err = st.Encode()
		made.Logged = m.stated[st.Key(made.Raw)]
	}
	if err == nil && f.zip != nil {
		err = m.last(st, made.Raw)
	}
	return made, err
}

// input returns what the statement is computed from, which is put into the bundle on the
// way.
func (m *making) input(ctx context.Context, within []*mark) audit.Input {
	in := audit.Input{
		Period: m.Period, Tool: m.Tool, Begin: m.begin().Size, Checkpoint: m.marks[m.b].Checkpoint,
		Witnesses: slices.Sorted(maps.Keys(m.cosigns)), Entries: m.entries(ctx), Records: m.records(ctx),
		Sealed: func(r evidence.Record) {
			if m.covers(r.Slot) {
				m.sealed = append(m.sealed, sealed{Record: r})
			}
		},
	}
	for _, c := range within {
		in.Stamps = append(in.Stamps, c.stamps...)
	}
	return in
}

// entries yields the bundle's entries, and writes them.
func (m *making) entries(ctx context.Context) iter.Seq2[tree.Entry, error] {
	return func(yield func(tree.Entry, error) bool) {
		err := m.file(audit.EdgeName, audit.FormatEdge(m.begin()))
		var w io.Writer
		if err == nil {
			w, err = m.create(audit.LeavesName)
		}
		if err != nil {
			yield(tree.Entry{}, err)
			return
		}
		i, begin, end := int64(0), m.begin().Size, m.marks[m.b].Checkpoint.Size
		for e, err := range m.Ledger.Entries(ctx) {
			if err == nil && i == end {
				return
			}
			if i++; err == nil && i <= begin {
				continue
			}
			if err == nil {
				m.part = append(m.part, e)
				_, err = io.WriteString(w, e.String()+"\n")
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// recordsName returns the name of the file that has an entry's record; "" if it has
// none.
func recordsName(e tree.Entry) string {
	switch e.Kind() {
	case "", tree.Void, tree.Pruned:
		return ""
	case tree.Manifest, tree.Gap, tree.Found:
		if slot, _, ok := evidence.ParseKey(e.Object()); ok {
			return audit.RecordsName(slot.Due)
		}
	}
	return audit.LedgerRecords
}

// records yields the records of the entries, and writes them, in the order of their
// files. It is used after entries.
func (m *making) records(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		files := make(map[string][]tree.Entry)
		once := make(map[[sha256.Size]byte]bool)
		for _, e := range m.part {
			if name := recordsName(e); name != "" && !once[e.Sum] {
				once[e.Sum] = true
				files[name] = append(files[name], e)
				m.told.OfRecords++
			}
		}
		for _, name := range slices.Sorted(maps.Keys(files)) {
			w, err := m.create(name)
			if err != nil {
				yield(nil, err)
				return
			}
			for raw, err := range inOrder(ctx, files[name], m.object) {
				if err == nil && raw.good {
					_, err = w.Write(append(raw.bytes, '\n'))
				}
				if err != nil {
					yield(nil, err)
					return
				}
				m.told.Records++
				m.tell()
				if raw.bytes != nil && !yield(slices.Clip(raw.bytes[:len(raw.bytes):len(raw.bytes)]), nil) {
					return
				}
			}
		}
	}
}

func (m *making) tell() {
	if m.Progress != nil {
		m.Progress(m.told)
	}
}

// attachments writes what the statement is not computed from: checkpoints with what
// others said of them, and reports.
func (m *making) attachments(ctx context.Context, within []*mark, st audit.Statement) error {
	for _, c := range within {
		if err := m.file(audit.CheckpointName(c.N), c.Raw); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(c.files)) {
			if err := m.file(name, c.files[name]); err != nil {
				return err
			}
		}
	}
	return m.putReports(ctx, st)
}

// last writes the files about the bundle itself.
func (m *making) last(st audit.Statement, raw []byte) error {
	if err := m.file(audit.StatementName, raw); err != nil {
		return err
	}
	w, err := m.create(audit.PageName)
	if err == nil {
		err = m.page(st).write(w)
	}
	if err != nil {
		return err
	}
	keys := map[string][]byte{"log.vkey": text(m.Keys), "witnesses": text(m.Witnesses), "tsa-roots.pem": m.Roots}
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		if len(keys[name]) == 0 {
			continue
		}
		if err := m.file(audit.KeysDir+name, keys[name]); err != nil {
			return err
		}
	}
	for _, name := range []string{audit.VerifyEnglish, audit.VerifyChinese, audit.VerifyScript, audit.ProveScript} {
		b, err := verifiers.ReadFile("verify/" + name)
		if err == nil {
			err = m.file(name, b)
		}
		if err != nil {
			return fault.Wrap(fault.Internal, err)
		}
	}
	return nil
}

// text returns lines.
func text(lines []string) []byte {
	if len(lines) == 0 {
		return nil
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

// Encode returns the statement's key in the ledger and its bytes, as a record of the
// ledger's own: see [ledger.Ledger.LogRecord].
func (m Made) Encode() (key string, raw []byte, err error) {
	if len(m.Raw) > maxStatement {
		return "", nil, fault.New(fault.Request, "a statement of %d bytes is too long", len(m.Raw)).WithHint("a shorter period or fewer packs make a shorter one")
	}
	return m.Statement.Key(m.Raw), m.Raw, nil
}
