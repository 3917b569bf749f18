package audit_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"packseal.example/archive/audit"
	"packseal.example/archive/ledger/tree"
)

// checkToken is what the tests' authority is trusted by.
func checkToken(raw, checkpoint []byte) (time.Time, error) {
	var name, sum string
	var at int64
	if _, err := fmt.Sscanf(string(raw), "%s %d %s", &name, &at, &sum); err != nil || sum != fmt.Sprintf("%x", sha256.Sum256(checkpoint)) {
		return time.Time{}, errors.New("it is of other bytes")
	}
	return time.Unix(at, 0).UTC(), nil
}

// options are those of an auditor who has the ledger's key.
func (l *ledger) options() audit.Options {
	return audit.Options{Keys: []string{l.key}, Tool: tool, Stamps: checkToken}
}

// audited audits a bundle.
func audited(t testing.TB, f files, o audit.Options) audit.Result {
	t.Helper()
	raw := f.zip(t)
	r, err := audit.Bundle(bytes.NewReader(raw), int64(len(raw)), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestWhole: a bundle of which nothing is wrong, from the ledger's beginning and from
// its middle.
func TestWhole(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.run(moment(1, 0, 0), moment(14, 0, 0))
	for _, p := range []audit.Period{march(1, 10), march(4, 10)} {
		r := audited(t, l.bundle(p), l.options())
		if len(r.Findings) > 0 || r.Statement == nil || r.Statement.Counts.Sealed != 3*int(p.Until.Sub(p.From)/(24*time.Hour)) {
			t.Errorf("from %s: %+v", p.From, r)
		}
		if r.Tokens != len(r.Statement.Stamps.Names)*r.Checkpoints || r.Reports != 13*3 && r.Reports == 0 {
			t.Errorf("%d tokens of %d checkpoints, %d reports", r.Tokens, r.Checkpoints, r.Reports)
		}
	}
}

// attack is something that somebody does to a ledger or to its bundle.
type attack struct {
	name    string
	before  func(l *ledger) // the ledger is run
	after   func(l *ledger) // it was run
	bundle  func(f files, l *ledger)
	options func(o *audit.Options, l *ledger)
	words   string // of the findings; none: the auditor's program exits with 0
	says    func(s *audit.Statement) bool
}

// lines are those of a file.
func (f files) lines(name string) [][]byte {
	return bytes.SplitAfter(bytes.TrimSuffix(f[name], []byte("\n")), []byte("\n"))
}

// set writes lines to a file.
func (f files) set(name string, lines [][]byte) {
	for i, line := range lines {
		lines[i] = append(bytes.TrimSuffix(line, []byte("\n")), '\n')
	}
	f[name] = bytes.Join(lines, nil)
}

// last returns the name of the last file below a folder with that ending.
func (f files) last(dir, suffix string) (last string) {
	for name := range f {
		if strings.HasPrefix(name, dir) && strings.HasSuffix(name, suffix) && name > last && (suffix != "" || !strings.Contains(name, ".")) {
			last = name
		}
	}
	return last
}

// prune logs the removal of a report on 7 March.
func prune(l *ledger, now time.Time) {
	if !now.Equal(moment(7, 0, 0)) {
		return
	}
	m, report := manifest(march5, moment(5, 2, 5))
	l.log(tree.PrunedKey(m.ReportKey()), report)
	delete(l.reports, m.ReportKey())
}

// cutShort leaves out the end, coherently.
func cutShort(f files, l *ledger) {
	at := l.checkpoints[70]
	for _, c := range l.checkpoints[71:] {
		delete(f, audit.CheckpointName(c.n))
		delete(f, audit.TokenName(c.n, "tsa"))
	}
	f.set(audit.LeavesName, f.lines(audit.LeavesName)[:at.head.Size])
}

// TestAttacks: what each attack, and what is none, comes to.
func TestAttacks(t *testing.T) {
	t.Parallel()
	for _, c := range attacks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLedger(t)
			if c.before != nil {
				c.before(l)
			}
			l.run(moment(1, 0, 0), moment(12, 0, 0))
			if c.after != nil {
				c.after(l)
			}
			f, o := l.bundle(march(1, 10)), l.options()
			if c.bundle != nil {
				c.bundle(f, l)
			}
			if c.options != nil {
				c.options(&o, l)
			}
			r := audited(t, f, o)
			if words(r.Findings) != c.words {
				t.Errorf("%q, want %q", words(r.Findings), c.words)
				for _, f := range r.Findings {
					t.Logf("%s %s %s", f.Word, f.Key, f.Sentence)
				}
			}
			if c.says != nil && (r.Statement == nil || !c.says(r.Statement)) {
				raw, _ := r.Statement.Encode()
				t.Errorf("%s", raw)
			}
			for _, f := range r.Findings {
				for _, lang := range []string{audit.English, audit.Chinese} {
					if s := f.In(lang); s == "" || strings.Contains(s, "%!") {
						t.Errorf("%s in %s: %q", f.Word, lang, s)
					}
				}
			}
		})
	}
}
