package bundle_test

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/archive/audit"
	"packseal.example/archive/audit/audittest"
	"packseal.example/archive/bundle"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// TestVerifiers: those who have no packseal come to the same.
func TestVerifiers(t *testing.T) {
	t.Parallel()
	python := need(t, "python3")
	need(t, "openssl")
	w := newWorld(t, nil)
	raw, _ := w.write(bundle.Options{Period: audittest.March(5, 7), Reports: all})
	unended, _ := w.write(bundle.Options{Period: audittest.March(5, 13), Reports: all})
	dir := t.TempDir()
	roots := file(t, dir, "roots.pem", w.authority.Root)
	script := file(t, dir, "verify.py", member(t, raw, audit.VerifyScript))
	_, other := audittest.NewKey(t, audittest.Origin, 9)
	last := w.Checkpoints[len(w.Checkpoints)-1].Head
	forked := last
	forked.Size, forked.Root[0] = w.Checkpoints[20].Head.Size, 1
	change := func(of string, f func([]byte) []byte) []byte {
		done := false
		return rewrite(t, raw, func(name string, b []byte) []byte {
			if !done && strings.HasPrefix(name, of) {
				done = true
				return f(b)
			}
			return b
		})
	}
	for name, c := range map[string]struct {
		zip  []byte
		args []string
		want string // words of findings; "" = none
	}{
		"whole":              {raw, []string{"--tsa-roots", roots}, ""},
		"without roots":      {raw, nil, ""},
		"not over":           {unended, []string{"--tsa-roots", roots}, "open short"},
		"other key":          {raw, []string{"--key", other}, "unsigned"},
		"forked":             {raw, []string{"--known", forked.String()}, "forked"},
		"rolled back":        {raw, []string{"--known", last.String()}, "rolled_back"},
		"entry altered":      {change(audit.LeavesName, func(b []byte) []byte { return bytes.Replace(b, []byte("cp-1"), []byte("cp-9"), 1) }), nil, "altered"},
		"record altered":     {change("records/2026", func(b []byte) []byte { return bytes.Replace(b, []byte("Pack"), []byte("Hack"), 1) }), nil, "unarchived unlogged"},
		"report altered":     {change(audit.ReportsDir, func([]byte) []byte { return []byte("x") }), nil, "altered"},
		"checkpoint removed": {change(audit.CheckpointsDir, func([]byte) []byte { return nil }), nil, "unreadable"},
		"token altered":      {rewrite(t, raw, tokens([]byte("x"))), []string{"--tsa-roots", roots}, "token unstamped"},
		"slates left out":    {change(audit.LeavesName, func(b []byte) []byte { return nil }), nil, "unreadable"},
		"statement altered":  {change(audit.StatementName, func(b []byte) []byte { return bytes.Replace(b, []byte(`"gap":0`), []byte(`"gap":1`), 1) }), nil, "claim"},
		"no zip":             {raw[:1000], nil, "unreadable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{script, file(t, t.TempDir(), "b.zip", c.zip)}, c.args...)
			if !slices.Contains(args, "--key") {
				args = append(args, "--key", w.Key)
			}
			out, err := exec.CommandContext(t.Context(), python, args...).CombinedOutput()
			var found []string
			for line := range strings.Lines(string(out)) {
				if word, _, ok := strings.Cut(line, ": "); ok && !strings.Contains(word, " ") && word != "findings" {
					found = append(found, word)
				}
			}
			slices.Sort(found)
			if got := strings.Join(slices.Compact(found), " "); got != c.want || (err == nil) != (c.want == "") {
				t.Errorf("%q, want %q, %v:\n%s", got, c.want, err, out)
			}
		})
	}
}

// tokens replaces every token.
func tokens(by []byte) func(string, []byte) []byte {
	return func(name string, b []byte) []byte {
		if strings.HasSuffix(name, ".tsr") {
			return by
		}
		return b
	}
}

// TestProve: the shell script finds what is wrong with a proof.
func TestProve(t *testing.T) {
	t.Parallel()
	bash := need(t, "bash")
	need(t, "openssl")
	w := newWorld(t, nil)
	p, err := w.source().Prove(t.Context(), slot("cp-2", 6))
	if err != nil {
		t.Fatal(err)
	}
	if p.Manifest == nil || !p.Stamped.Equal(audittest.Moment(6, 2, 10)) || len(p.Files) != 3 {
		t.Fatalf("%+v", p)
	}
	dir := t.TempDir()
	b, err := io.ReadAll(open(t, "verify/prove.sh"))
	if err != nil {
		t.Fatal(err)
	}
	script, roots := file(t, dir, "prove.sh", b), file(t, dir, "roots.pem", w.authority.Root)
	proof, manifest, token := p.Files[p.Name+".tlog-proof"], p.Files[evidence.ManifestName], p.Files[p.Name+".tsa.tsr"]
	report := w.Reports[p.Manifest.ReportKey()]
	_, other := audittest.NewKey(t, audittest.Origin, 9)
	for name, c := range map[string]struct {
		proof, manifest, report, token []byte
		key                            string
		want                           bool
	}{
		"whole":            {proof, manifest, report, token, w.Key, true},
		"without token":    {proof, manifest, report, nil, w.Key, true},
		"other key":        {proof, manifest, report, token, other, false},
		"manifest altered": {proof, append(slices.Clone(manifest), ' '), report, token, w.Key, false},
		"report altered":   {proof, manifest, append(slices.Clone(report), ' '), token, w.Key, false},
		"token altered":    {proof, manifest, report, append([]byte("x"), token...), w.Key, false},
		"other root":       {bytes.Replace(proof, []byte("\n\n"+audittest.Origin), []byte("\n"+strings.Repeat("A", 43)+"=\n\n"+audittest.Origin), 1), manifest, report, token, w.Key, false},
		"other size":       {bytes.Replace(proof, []byte("index "), []byte("index 1"), 1), manifest, report, token, w.Key, false},
		"empty":            {nil, manifest, report, token, w.Key, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			args := []string{script, file(t, dir, "p", c.proof), file(t, dir, "m", c.manifest), c.key, file(t, dir, "r", c.report)}
			if c.token != nil {
				args = append(args, file(t, dir, "t", c.token), roots)
			}
			out, err := exec.CommandContext(t.Context(), bash, args...).CombinedOutput()
			if (err == nil) != c.want || c.want != strings.HasPrefix(string(out), "PROVEN") {
				t.Errorf("%v:\n%s", err, out)
			}
		})
	}
	distrusting := w.source()
	distrusting.Stamp = func(string, []byte, []byte) (time.Time, error) { return time.Time{}, errors.New("no root") }
	if p, err := distrusting.Prove(t.Context(), slot("cp-2", 6)); err != nil || !p.Stamped.IsZero() || len(p.Findings) == 0 || p.Findings[0].Word != audit.Token {
		t.Errorf("without roots: %+v, %v", p.Findings, err)
	}
	if _, err := w.source().Prove(t.Context(), slot("cp-2", 20)); fault.Of(err) != fault.NotFound {
		t.Errorf("a slot without a record: %v", err)
	}
}

// TestProveEach: every entry of a slot is proven by the first stamped checkpoint.
func TestProveEach(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for day := 1; day < 12; day++ {
		p, err := w.source().Prove(t.Context(), slot("cp-3", day))
		if err != nil {
			t.Fatal(err)
		}
		proof, err := tree.ParseProof(p.Files[p.Name+".tlog-proof"])
		if err != nil {
			t.Fatal(err)
		}
		if c, err := proof.Check(p.Files[evidence.ManifestName], w.verifiers()); err != nil || c.Size <= p.Index {
			t.Errorf("day %d: %v, %v", day, c, err)
		}
	}
}
