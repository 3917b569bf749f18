package audit_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/archive/audit"
	"packseal.example/archive/audit/audittest"
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
func options(l *audittest.Ledger) audit.Options {
	return audit.Options{Keys: []string{l.Key}, Tool: audittest.Tool, Stamps: checkToken}
}

// audited audits a bundle.
func audited(t testing.TB, f audittest.Files, o audit.Options) audit.Result {
	t.Helper()
	raw := f.Zip(t)
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
	l := audittest.New(t)
	l.Run(audittest.Moment(1, 0, 0), audittest.Moment(14, 0, 0))
	for _, p := range []audit.Period{audittest.March(1, 10), audittest.March(4, 10)} {
		r := audited(t, l.Bundle(p), options(l))
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
	before  func(l *audittest.Ledger) // the ledger is run
	after   func(l *audittest.Ledger) // it was run
	bundle  func(f audittest.Files, l *audittest.Ledger)
	options func(o *audit.Options, l *audittest.Ledger)
	words   string // of the findings; none: the auditor's program exits with 0
	says    func(s *audit.Statement) bool
}

// lines are those of a file.
func lines(f audittest.Files, name string) [][]byte {
	return bytes.SplitAfter(bytes.TrimSuffix(f[name], []byte("\n")), []byte("\n"))
}

// set writes lines to a file.
func set(f audittest.Files, name string, lines [][]byte) {
	for i, line := range lines {
		lines[i] = append(bytes.TrimSuffix(line, []byte("\n")), '\n')
	}
	f[name] = bytes.Join(lines, nil)
}

// last returns the name of the last file below a folder with that ending.
func last(f audittest.Files, dir, suffix string) (last string) {
	for name := range f {
		if strings.HasPrefix(name, dir) && strings.HasSuffix(name, suffix) && name > last && (suffix != "" || !strings.Contains(name, ".")) {
			last = name
		}
	}
	return last
}

// leaveOut removes a field from the statement.
func leaveOut(f audittest.Files, field string) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(f[audit.StatementName], &fields); err != nil || fields[field] == nil {
		panic("the statement has no " + field)
	}
	delete(fields, field)
	f[audit.StatementName], _ = json.Marshal(fields)
}

// prune logs the removal of a report on 7 March.
func prune(l *audittest.Ledger, now time.Time) {
	if !now.Equal(audittest.Moment(7, 0, 0)) {
		return
	}
	m, report := audittest.Manifest(march5, audittest.Moment(5, 2, 5))
	l.Log(tree.PrunedKey(m.ReportKey()), report)
	delete(l.Reports, m.ReportKey())
}

// cutShort leaves out the end, coherently.
func cutShort(f audittest.Files, l *audittest.Ledger) {
	at := l.Checkpoints[70]
	for _, c := range l.Checkpoints[71:] {
		delete(f, audit.CheckpointName(c.N))
		delete(f, audit.TokenName(c.N, "tsa"))
	}
	set(f, audit.LeavesName, lines(f, audit.LeavesName)[:at.Head.Size])
}

// TestAttacks: what each attack, and what is none, comes to.
func TestAttacks(t *testing.T) {
	t.Parallel()
	for _, c := range attacks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := audittest.New(t)
			if c.before != nil {
				c.before(l)
			}
			l.Run(audittest.Moment(1, 0, 0), audittest.Moment(12, 0, 0))
			if c.after != nil {
				c.after(l)
			}
			f, o := l.Bundle(audittest.March(1, 10)), options(l)
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

// words returns those of findings, each once, in order.
func words(list []audit.Finding) string {
	var all []string
	for _, f := range list {
		all = append(all, string(f.Word))
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}
