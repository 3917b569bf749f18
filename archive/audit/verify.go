package audit

import (
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/ledger/witness/cosignature"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Options say what a bundle is held against: all that is believed from the start.
type Options struct {
	Keys []string // required; verifier keys of the ledger, <origin>+<key ID>+<base64>: one, or several of one origin
	Tool string   // required; "packseal/<version>"

	// Stamps checks a token over a checkpoint, and returns when it was issued. Nil:
	// tokens are not looked at, and nothing says when anything happened.
	Stamps func(token, checkpoint []byte) (time.Time, error)

	Witnesses []string // verifier keys of witnesses, of which each must have cosigned
	Known     []string // lines "<origin> <size> <root>" that were noted earlier
}

// Result is what came of an audit.
type Result struct {
	Statement *Statement `json:"statement"` // as computed; null if the entries are not those that were signed
	Findings  []Finding  `json:"findings"`  // all of them: of the bundle, then of the statement

	Entries     int   `json:"entries"`     // of the ledger that were checked
	Checkpoints int   `json:"checkpoints"` // likewise
	Tokens      int   `json:"tokens"`
	Unchecked   int   `json:"tokens_unchecked"` // tokens that were not looked at
	Records     int   `json:"records"`
	Reports     int   `json:"reports"`
	Bytes       int64 `json:"report_bytes"`
	Older       int   `json:"known_older"` // known lines from before the bundle's entries, which say nothing here
	Other       int   `json:"other_files"` // that are not of a bundle, and were not looked at

	// Aside are the bundle's files for people and for other programs, which nothing
	// checks: pages, scripts, keys/. They are no evidence.
	Aside []string `json:"not_checked"`
}

// audit is one on its way.
type audit struct {
	Options
	Result
	*bundle
	found     findings
	keys      []note.Verifier
	witnesses []*cosignature.Verifier
	known     []tree.Checkpoint // that were known

	edge        tree.Edge
	entries     []tree.Entry
	checkpoints []*bundled // by size, then number
	stamps      []Stamp
	cosigned    []string
	claim       claim
}

// Bundle audits a bundle. What is wrong with the bundle is a finding; an error is one
// of reading, or fault.Request: of options that are not in their form.
func Bundle(r io.ReaderAt, size int64, o Options) (Result, error) {
	a := &audit{Options: o}
	if err := a.prepare(); err != nil {
		return Result{}, err
	}
	var err error
	if a.bundle, err = openBundle(r, size, &a.found); err != nil {
		return Result{}, err
	}
	if a.bundle != nil {
		a.Other, a.Aside = a.other, a.bundle.aside()
		err = a.check()
	}
	a.Findings = a.found.all()
	if a.Statement != nil {
		a.Findings = append(a.Findings, a.Statement.Findings...)
	}
	return a.Result, err
}

// prepare reads the options.
func (a *audit) prepare() error {
	for _, text := range a.Keys {
		text = strings.TrimSpace(text)
		if strings.HasPrefix(text, "PRIVATE+KEY+") {
			return fault.New(fault.Request, "the key is a signing key, which nobody but packseal should have").
				WithHint("packseal ledger init prints the verifier key")
		}
		key, err := note.NewVerifier(text)
		if err != nil {
			return fault.New(fault.Request, "%.200q is not the verifier key of a ledger: %w", text, err).
				WithHint("it has the form <origin>+<8 hex digits>+<base64>; packseal ledger init prints it")
		}
		if a.keys = append(a.keys, key); key.Name() != a.keys[0].Name() {
			return fault.New(fault.Request, "the keys are of two ledgers, %s and %s", a.keys[0].Name(), key.Name())
		}
	}
	if len(a.keys) == 0 {
		return fault.New(fault.Request, "there is no key to check the bundle with").WithHint("packseal ledger init prints the verifier key of a ledger")
	}
	for _, text := range a.Witnesses {
		w, err := cosignature.NewVerifier(text)
		if err != nil {
			return err
		}
		a.witnesses = append(a.witnesses, w)
	}
	for _, text := range a.Known {
		line, err := parseKnown(text)
		if err != nil {
			return err
		}
		a.known = append(a.known, line)
	}
	return nil
}

// check checks the parts of the bundle, in the order in which they are believed.
func (a *audit) check() (err error) {
	a.claim = readClaim(a.bundle)
	raw := a.read(EdgeName, maxSmall)
	if raw == nil {
		return nil
	}
	if a.edge, err = ParseEdge(raw); err != nil {
		a.found.add(Unreadable, EdgeName, saidUnreadable, err)
		return nil
	}
	var ok bool
	if a.entries, ok = a.bundle.entries(); !ok {
		return nil
	}
	a.readCheckpoints()
	if !a.rehash() || !a.signed() {
		return nil
	}
	a.Entries = len(a.entries)
	a.checkTokens()
	a.checkWitnesses()
	a.checkKnown()
	return a.state()
}

// state computes the statement, and compares the bundle's with it.
func (a *audit) state() error {
	if a.claim.raw == nil {
		return nil
	}
	reports := a.expectReports()
	var kept []string // reports that the bundle may have
	within := a.claim.Covering()
	s, err := Compute(Input{
		Period: a.claim.Period, Tool: a.Tool, Begin: a.edge.Size, Checkpoint: a.checkpoints[len(a.checkpoints)-1].Checkpoint,
		Stamps: a.stamps, Witnesses: a.cosigned, Sealed: func(r evidence.Record) {
			reports.sealed(r)
			if !r.Pruned && within(r.Slot) {
				kept = append(kept, r.Object)
			}
		},
		Entries: func(yield func(tree.Entry, error) bool) {
			for _, e := range a.entries {
				if !yield(e, nil) {
					return
				}
			}
		},
		Records: func(yield func([]byte, error) bool) {
			for line, err := range a.records() {
				if a.Records++; !yield(line, err) {
					return
				}
			}
		},
	})
	if errors.Is(err, errStrangers) {
		a.found.add(Unlogged, RecordsDir, saidStrangers, strangers)
		return nil
	}
	if err != nil {
		return err
	}
	a.checkReports(reports)
	a.leftOut(reports, kept, s.Checkpoint)
	a.compare(s)
	a.Statement = &s
	return nil
}

// parseKnown reads a line that somebody kept, also with the word that stands before it
// in notices.
func parseKnown(text string) (c tree.Checkpoint, err error) {
	fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(text), "ledger "))
	if len(fields) == 3 {
		if c, err = tree.ParseCheckpoint(strings.Join(fields, "\n") + "\n"); err == nil {
			return c, nil
		}
	}
	return c, fault.New(fault.Request, "%.200q is not a line of a ledger", text).
		WithHint("it has three words: origin, size and root, as notices and the page have them")
}

// checkKnown holds the ledger against the lines that were known.
func (a *audit) checkKnown() {
	end := a.edge.Size + int64(len(a.entries))
	sizes := make(map[int64]tree.Checkpoint)
	for _, c := range a.known {
		switch {
		case c.Origin != a.keys[0].Name():
			a.found.add(Forked, c.String(), saidOtherOrigin, a.keys[0].Name())
		case c.Size > end:
			a.found.add(RolledBack, c.String(), saidRolledBack, end)
		case c.Size < a.edge.Size:
			a.Older++
		default:
			sizes[c.Size] = c
		}
	}
	edge := a.edge
	edge.Hashes = slices.Clone(edge.Hashes)
	for i := 0; len(sizes) > 0; i++ {
		for _, c := range a.known {
			if _, ok := sizes[c.Size]; ok && c.Size == edge.Size && c.Root != edge.Root() {
				a.found.add(Forked, c.String(), saidForked, edge.Root())
			}
		}
		if i == len(a.entries) {
			break
		}
		edge.Append(a.entries[i].Leaf())
	}
}
